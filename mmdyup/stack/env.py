"""``python -m mmdyup.stack.env``: versions, devices and what the operators run on here."""

import contextlib
import importlib
import platform

import torch

import mmdyup

from ..ops.backends import BACKENDS, mmcv_has_cuda, usable_backends
from .frameworks import NAMES, is_installed


def environment() -> dict[str, str]:
    """mmengine's report where there is one, the stack's versions, every operator's backends."""
    report = {
        'Python': platform.python_version(),
        'CUDA available': str(torch.cuda.is_available()),
        'PyTorch': torch.__version__,
    }
    with contextlib.suppress(Exception):  # a report must come out of a broken installation too
        from mmengine.utils.dl_utils import collect_env

        report.update((key, str(value)) for key, value in collect_env().items())
    report['mmdyup'] = mmdyup.__version__
    report.update((package, _version(package)) for package in NAMES)
    report["mmcv's CUDA operators"] = 'yes' if mmcv_has_cuda() else 'no'
    for op in BACKENDS:
        report[f'backends of {op}'] = ', '.join(usable_backends(op))
    return report


def _version(package: str) -> str:
    if not is_installed(package):
        return 'not installed'
    try:
        return importlib.import_module(package).__version__
    except Exception as error:
        return f'cannot be imported ({type(error).__name__}: {error})'


if __name__ == '__main__':
    for key, value in environment().items():
        print(f'{key}: {value}')
