from .compat import mend_stack
from .frameworks import is_installed

__all__ = ['is_installed', 'mend_stack']
