"""Catalogue: the kinds that a cluster serves, as a value that can change while it runs.

- Keyed by group and resource name; each in one or several versions, of which one is the stored form.
- Kinds are found by their names: (group, version, kind) or (group, version, plural). A struct class is only a bearer of its GVK.
- Subscribers are told of each change in order, synchronously; `revision` is another number after each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from pilothouse import API_LEVEL
from pilothouse.machinery.resource import Resource

T = TypeVar("T")

ADDED, DELETED = "ADDED", "DELETED"

Subscriber = Callable[[str, Resource[Any]], None]
"""(ADDED or DELETED, the resource)."""


class Catalogue:
    """The kinds that a cluster serves, by group and resource; kinds are added and removed while it runs."""

    def __init__(self, resources: Iterable[Resource[Any]] = (), level: str = API_LEVEL) -> None:
        """`level` is that of the API: fields that came later are unknown fields."""
        self.level = level
        self.revision = 0
        self._versions: dict[tuple[str, str], dict[str, Resource[Any]]] = {}
        self._kinds: dict[tuple[str, str, str], Resource[Any]] = {}
        self._subscribers: list[Subscriber] = []
        self._sorted: tuple[Resource[Any], ...] | None = None
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource[Any]) -> None:
        """Serve a resource; ValueError when its name or its kind is taken in that group and version."""
        versions = self._versions.setdefault((resource.group, resource.plural), {})
        kind = (resource.group, resource.version, resource.kind)
        if resource.version in versions or kind in self._kinds:
            raise ValueError(f"{resource.plural} of {resource.api_version} is served already")
        versions[resource.version] = self._kinds[kind] = resource
        self._changed(ADDED, resource)

    def remove(self, resource: Resource[Any]) -> None:
        """Serve it no longer; KeyError when it is not served."""
        key = (resource.group, resource.plural)
        del self._kinds[resource.group, resource.version, resource.kind]
        del self._versions[key][resource.version]
        if not self._versions[key]:
            del self._versions[key]
        self._changed(DELETED, resource)

    def refresh(self) -> None:
        """Notify subscribers that a resource's description changed, without a change in how it is served."""
        self.revision += 1

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call `callback` for every change; returns a function that ends that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def resources(self) -> tuple[Resource[Any], ...]:
        """Every resource in every version, in the order of group, version and plural."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self._kinds.values(), key=lambda resource: (resource.group, resource.version, resource.plural)))
        return self._sorted

    def stored(self) -> Iterator[Resource[Any]]:
        """Every resource once, in the version in which it is stored, or the first one where that is not served."""
        return (resource for resource in self.resources() if resource.primary is resource)

    def by_kind(self, group: str, version: str, kind: str) -> Resource[Any] | None:
        """The resource of a kind; None when it is not served."""
        return self._kinds.get((group, version, kind))

    def by_plural(self, group: str, version: str, plural: str) -> Resource[Any] | None:
        """The resource of a path; None when it is not served."""
        versions = self._versions.get((group, plural))
        return versions.get(version) if versions is not None else None

    def of(self, kind: type[T]) -> Resource[T]:
        """Resource of a class of objects, by its GVK. Raises LookupError when it is not served."""
        resource = self._kinds.get(kind.GVK)  # type: ignore[attr-defined]
        if resource is None:
            raise LookupError(f"{kind.__name__} is not served")
        return resource

    def _changed(self, what: str, resource: Resource[Any]) -> None:
        self.revision += 1
        self._sorted = None
        for subscriber in list(self._subscribers):
            subscriber(what, resource)
