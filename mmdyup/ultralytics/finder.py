"""Acts on modules once they are imported, and imports none of them.

The standard library is all that is used: :func:`mmdyup.ultralytics.enable` copies this file.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from types import ModuleType

Action = Callable[[ModuleType], None]


class Watcher(importlib.abc.MetaPathFinder):
    """Finds the modules it watches as Python does, and acts on each after its code has run."""

    def __init__(self, actions: dict[str, Action]) -> None:
        self.actions = actions

    def find_spec(self, name, path=None, target=None):
        if name not in self.actions:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            self.actions[name](module)

        spec.loader.exec_module = exec_module
        return spec


def watch(actions: dict[str, Action]) -> None:
    """Acts on modules by name: at once on those that are here, on the others when they come."""
    sys.meta_path.insert(0, Watcher(actions))
    for name, action in actions.items():
        if name in sys.modules:
            action(sys.modules[name])
