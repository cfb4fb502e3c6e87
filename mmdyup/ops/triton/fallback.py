"""What runs where a kernel does not compile: PyTorch's own operations, on the same device."""

import subprocess
from collections.abc import Callable
from typing import TypeVar

from triton.errors import TritonError

from ..backends import warn_once

_Result = TypeVar('_Result')
_failed: set[str] = set()


def compiled_or_native(
    op: str, compiled: Callable[[], _Result], native: Callable[[], _Result]
) -> _Result:
    """What ``compiled`` returns; once a kernel of it did not compile, what ``native`` does.

    The first failure of ``op`` is warned of.
    """
    if op not in _failed:
        try:
            return compiled()
        except Exception as error:
            if not _is_the_compilers(error):
                raise
            _failed.add(op)
            warn_once(
                f"Triton cannot compile {op} here: {error} PyTorch's own operations run instead."
            )
    return native()


def _is_the_compilers(error: Exception) -> bool:
    # Triton also calls a C compiler, for what launches a kernel
    return (
        isinstance(error, (TritonError, subprocess.CalledProcessError))
        or isinstance(error, RuntimeError)
        and 'C compiler' in str(error)
    )
