import importlib.metadata
import importlib.util


def is_installed(package: str) -> bool:
    """Whether ``import package`` would find something, without importing it."""
    return importlib.util.find_spec(package) is not None


def is_distributed_as(name: str) -> bool:
    """Whether a distribution of this name is installed."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
