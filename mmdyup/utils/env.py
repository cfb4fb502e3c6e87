"""``python -m mmdyup.utils.env``: versions, devices and what the operators run on here."""

import importlib

from mmengine.utils.dl_utils import collect_env

import mmdyup

from ..ops.backends import BACKENDS, mmcv_has_cuda, usable_backends
from .frameworks import is_installed


def environment() -> dict[str, str]:
    """mmengine's report, the stack's versions, and the backends of every operator."""
    report = {key: str(value) for key, value in collect_env().items()}
    report['mmdyup'] = mmdyup.__version__
    for package in ('mmcv', 'mmdet', 'mmseg'):
        report[package] = (
            importlib.import_module(package).__version__
            if is_installed(package)
            else 'not installed'
        )
    report["mmcv's CUDA operators"] = 'yes' if mmcv_has_cuda() else 'no'
    for op in BACKENDS:
        report[f'backends of {op}'] = ', '.join(usable_backends(op))
    return report


if __name__ == '__main__':
    for key, value in environment().items():
        print(f'{key}: {value}')
