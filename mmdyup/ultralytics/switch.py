"""Rows of ours in the plain ``yolo`` command, which imports nothing of a user's."""

import sysconfig
from pathlib import Path

from . import finder

_NAME = 'mmdyup_at_start'
# what follows the finder in the module that Python runs when it starts
_START = """

def _import_mmdyup(module):
    try:
        import mmdyup  # noqa: F401
    except ImportError:  # it was uninstalled
        pass


watch({'ultralytics.nn.tasks': _import_mmdyup})
"""


def enable() -> Path:
    """Lets every Python of this environment import mmdyup once it imports Ultralytics.

    Two small files go beside the installed packages. :func:`disable` removes them.

    Returns:
        The folder of the two.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder = Path(sysconfig.get_path('purelib'))
    source = Path(finder.__file__).read_text(encoding='utf-8')
    (folder / f'{_NAME}.py').write_text(source + _START, encoding='utf-8')
    (folder / f'{_NAME}.pth').write_text(f'import {_NAME}\n', encoding='utf-8')
    return folder


def disable() -> None:
    """Undoes :func:`enable`; nothing happens where it was not enabled."""
    folder = Path(sysconfig.get_path('purelib'))
    for ending in ('pth', 'py'):
        (folder / f'{_NAME}.{ending}').unlink(missing_ok=True)
