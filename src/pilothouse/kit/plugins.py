"""Discovery of plugins: where order has no meaning, the folder is the registry.

A plugin file is found because it lies in the folder; files of one folder do not import one another.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def modules(package: ModuleType, without: str = "") -> Iterator[ModuleType]:
    """Every module below `package`, in the order of their names; none of the package `without`, which is not loaded either."""
    infos = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    for name in sorted(info.name for info in infos):
        if not without or not f"{name}.".startswith(f"{without}."):
            yield importlib.import_module(name)


def instances(package: ModuleType, wanted: type[T], without: str = "") -> Iterator[T]:
    """Every module-level instance of `wanted` that is defined in a module below `package`, but `without`, each once."""
    seen: set[int] = set()
    for module in modules(package, without):
        for value in vars(module).values():
            if isinstance(value, wanted) and id(value) not in seen:
                seen.add(id(value))
                yield value


def classes(package: ModuleType, base: type[T]) -> Iterator[type[T]]:
    """Every concrete subclass of `base` that is defined (not imported) in a module below `package`."""
    for module in modules(package):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, base) and value is not base and value.__module__ == module.__name__:
                yield value
