"""In-memory store of objects of one kind, by namespace and name, with indexes.

- Reads are synchronous: what is read between two awaits is one consistent snapshot.
- The objects are shared, not copied: `machinery.codec.clone` before changing one.
- An index is kept with every change; asking it costs what it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")

Key = tuple[str, str]
"""(namespace, name); the namespace of a cluster-scoped object is empty."""
IndexFunction = Callable[[Any], Iterable[str]]


class LabelMatcher(Protocol):
    """Selector for `list`: machinery.labels.Selector, or one of a test."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        ...


def key_of(obj: Any) -> Key:
    """Namespace and name."""
    return obj.metadata.namespace, obj.metadata.name


def controller_uid(obj: Any) -> tuple[str, ...]:
    """The uid of the owner that controls `obj`, as index values."""
    return tuple(reference.uid for reference in obj.metadata.ownerReferences if reference.controller)


def index_name(function: IndexFunction) -> str:
    """A name for the index that a module's function makes: no other module's function has it."""
    return f"{function.__module__}.{function.__qualname__}"


class Store(Generic[T]):
    """Objects of one kind by namespace and name, with indexes."""

    def __init__(self) -> None:
        self._namespaces: dict[str, dict[str, T]] = {}
        self._functions: dict[str, IndexFunction] = {}
        self._indexes: dict[str, dict[str, dict[Key, T]]] = {}

    def __len__(self) -> int:
        return sum(len(names) for names in self._namespaces.values())

    def __iter__(self) -> Iterator[T]:
        for names in self._namespaces.values():
            yield from names.values()

    def present(self) -> Sequence[Key]:
        """The keys of all objects, as a copy."""
        return [(namespace, name) for namespace, names in self._namespaces.items() for name in names]

    def get(self, namespace: str, name: str) -> T | None:
        """The object, or None."""
        names = self._namespaces.get(namespace)
        return names.get(name) if names else None

    def list(self, namespace: str | None = None, selector: LabelMatcher | None = None) -> list[T]:
        """All objects, or those of a namespace, that match the selector."""
        objects: Iterable[T] = self if namespace is None else self._namespaces.get(namespace, {}).values()
        if selector is None:
            return [*objects]
        return [obj for obj in objects if selector.matches(obj.metadata.labels)]  # type: ignore[attr-defined]

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Keep the objects by the values that `function` gives of each; a name that is there already stays as it is."""
        if name in self._functions:
            return
        self._functions[name] = function
        index = self._indexes[name] = {}
        for obj in self:
            _enter(index, function(obj), obj)

    def by_index(self, name: str, value: str) -> Sequence[T]:
        """The objects that have this value in the index. KeyError when there is no such index."""
        return [*self._indexes[name].get(value, {}).values()]

    def put(self, obj: T) -> T | None:
        """Add or replace; gives what was there."""
        namespace, name = key_of(obj)
        names = self._namespaces.setdefault(namespace, {})
        old = names.get(name)
        names[name] = obj
        for index, function in self._functions.items():
            if old is not None:
                _leave(self._indexes[index], function(old), old)
            _enter(self._indexes[index], function(obj), obj)
        return old

    def remove(self, namespace: str, name: str) -> T | None:
        """Take out; gives what was there."""
        names = self._namespaces.get(namespace, {})
        old = names.pop(name, None)
        if old is None:
            return None
        if not names:
            del self._namespaces[namespace]
        for index, function in self._functions.items():
            _leave(self._indexes[index], function(old), old)
        return old


def _enter(index: dict[str, dict[Key, T]], values: Iterable[str], obj: T) -> None:
    for value in values:
        index.setdefault(value, {})[key_of(obj)] = obj


def _leave(index: dict[str, dict[Key, T]], values: Iterable[str], obj: T) -> None:
    for value in values:
        entries = index.get(value)
        if entries is None:
            continue
        entries.pop(key_of(obj), None)
        if not entries:
            del index[value]
