"""What keeps the software stacks working; imports none of their packages by itself."""

from .frameworks import is_installed, needs, register_all

__all__ = ['is_installed', 'needs', 'register_all']
