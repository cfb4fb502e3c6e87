"""Which of OpenMMLab's packages are here, what of mmdyup needs them, and what brings them."""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import sys
import warnings
from collections.abc import Iterator

# what pip calls OpenMMLab's own package, and the maintained continuation's
NAMES = dict(
    mmengine=('mmengine', 'onedl-mmengine'),
    # built in isolation, without the PyTorch that is here, it has no operators
    mmcv=('--no-build-isolation "mmcv<2.2"', '--no-build-isolation onedl-mmcv'),
    mmdet=('mmdet', 'onedl-mmdetection'),
    mmseg=('mmsegmentation', 'onedl-mmsegmentation'),
)
# the subpackages that register something with a framework
PARTS = dict(mmdet=('det',), mmseg=('seg', 'evaluation'))


def is_installed(package: str) -> bool:
    """Whether ``import package`` would find something, without importing it."""
    if package in sys.modules:
        return sys.modules[package] is not None
    return importlib.util.find_spec(package) is not None


def is_distributed_as(name: str) -> bool:
    """Whether a distribution of this name is installed."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@contextlib.contextmanager
def needs(package: str, what: str) -> Iterator[None]:
    """Says in one sentence what is to be done where the imports in its body fail.

    Args:
        package: The key of ``NAMES`` that they need.
        what: Whose imports they are, in the plural.

    Raises:
        ImportError: They raised anything.
    """
    try:
        yield
    except Exception as error:  # a broken installation raises more than ImportError
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise ImportError(
            f'{what} need {package}, which cannot be imported here ({reason}): '
            f'{_remedy(package, error)}.',
            name=package,
        ) from error


def register_all() -> None:
    """Mends the stack and registers what mmdyup has for every framework that is here.

    Never fails: whatever a package raises becomes one warning, and its part is left out. Nothing
    happens where there is none of them.
    """
    frameworks = [framework for framework in PARTS if is_installed(framework)]
    if not frameworks and not is_installed('mmengine'):
        return
    try:
        with needs('mmengine', "mmdyup's entries in OpenMMLab's registries"):
            importlib.import_module('mmengine.model')
            importlib.import_module('.compat', __package__).mend_stack()
            importlib.import_module('.resume', __package__)
    except ImportError as error:
        return _warn(error)
    for framework in frameworks:
        try:
            for part in PARTS[framework]:
                importlib.import_module(f'..{part}', __package__)
        except ImportError as error:
            _warn(error)
    importlib.import_module('.panoptic', __package__).serve_workers()


def _warn(error: ImportError) -> None:
    # shown where mmdyup is imported
    warnings.warn(f'{error} They are left out; the upsamplers work without them.', stacklevel=4)


def _remedy(package: str, error: Exception) -> str:
    missing = (error.name or '') if isinstance(error, ModuleNotFoundError) else ''
    root = missing.partition('.')[0]
    if missing == 'mmcv._ext':
        own, other = NAMES['mmcv']
        return (
            'the mmcv that is installed has no operators, as mmcv-lite has none; uninstall it and '
            f'run `pip install {own}` or `pip install {other}`'
        )
    if root in NAMES and not is_installed(root):
        own, other = NAMES[root]
        return f'run `pip install {own}` or `pip install {other}`'
    if missing and root not in NAMES:
        return f'install what brings the module {missing}'
    return f'make `import {package}` work, or uninstall {package}'
