"""Heavy modules that few tests need: imported by the first of them, not when all are collected."""

from importlib import import_module
from typing import Any


class _Lazy:
    """Stands for a module until something of it is asked for; pytest asks everything for names of its own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "pytest")):
            raise AttributeError(name)
        return getattr(import_module(self._name), name)


def lazily(name: str) -> Any:
    """The module of this name, imported when something of it is asked for."""
    return _Lazy(name)
