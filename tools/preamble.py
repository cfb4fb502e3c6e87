"""What the scripts here share. Imported before all else, it sets the process up, finds this clone's
mmdyup, and imports it, which mends the stack."""

import errno
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Must be said before torch is loaded. Threads that wait spinning starve the dataloader's workers
# and whatever else runs, and a step on two busy cores takes six times as long; a benchmark times
# what PyTorch does by itself.
if Path(sys.argv[0]).stem != 'benchmark':
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
# the profiler that counts memory complains without a GPU
os.environ.setdefault('KINETO_LOG_LEVEL', '5')
sys.path.insert(0, str(ROOT))
import mmdyup  # noqa: E402, F401


@contextmanager
def one_sentence() -> Iterator[None]:
    """Ends the process with the sentence of an error that its user caused, instead of a trace."""
    try:
        yield
    except (ValueError, TypeError, FileNotFoundError) as error:
        sys.exit(str(error))


@contextmanager
def room_on_disk() -> Iterator[None]:
    """Ends the process with a sentence where a disk is full, instead of a trace."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(
            'The disk is full: make room on it, and go on with --resume, which takes the last '
            'checkpoint that is whole.'
        )


def command_line(script: str, argv: list[str] | None) -> str:
    """How ``script`` was called, as one would type it; ``argv`` is what its main() was given."""
    words = sys.argv[1:] if argv is None else argv
    return shlex.join(['python', f'tools/{script}', *words])


def make_folder(out: str) -> Path:
    """The folder that ``--out`` names, made if need be; ValueError where it cannot be."""
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f'--out: the folder {folder} cannot be made ({error.strerror}); give another one.'
        ) from error
    return folder
