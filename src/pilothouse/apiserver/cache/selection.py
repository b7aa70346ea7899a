"""Selection of a list or watch: namespace, name, labels, fields.

A watcher with a selector sees an object come and go as it begins and ceases to match, not as it is made and deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.cache.event import ADDED, DELETED, MODIFIED, CacheEvent
from pilothouse.machinery.resource import Resource

Predicate = Callable[[Entry], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """`prefix` is that of the keys; `predicates` must all hold. `trigger` names an index and the value that it must have, so
    that watchers who cannot be concerned are not asked; `key` is set when one single object can match."""

    prefix: str
    predicates: tuple[Predicate, ...] = ()
    trigger: tuple[str, str] | None = None
    key: str = ""

    def matches(self, entry: Entry) -> bool:
        """Whether an entry is selected, by key and by all predicates."""
        if not entry.key.startswith(self.prefix) or (self.key and entry.key != self.key):
            return False
        return all(predicate(entry) for predicate in self.predicates)

    @property
    def selects_everything(self) -> bool:
        """Whether all objects below the prefix are selected."""
        return not self.predicates and not self.key

    def translate(self, event: CacheEvent) -> CacheEvent | None:
        """The event as a watcher of this selection sees it; None when it does not."""
        if self.selects_everything:
            return event if event.entry.key.startswith(self.prefix) else None
        if event.type == DELETED:
            return event if self.matches(event.entry) else None
        is_in = self.matches(event.entry)
        was_in = event.type == MODIFIED and event.previous is not None and self.matches(event.previous)
        if is_in:
            return event if was_in or event.type == ADDED else event.entering
        return event.leaving if was_in else None


def by_name(name: str) -> Predicate:
    """Predicate: the object has this name."""
    return lambda entry: entry.name == name


def by_labels(selector: Any) -> Predicate:
    """Predicate: the object's labels match the selector."""
    return lambda entry: bool(selector.matches(entry.object.metadata.labels))


def by_fields(selector: Any, resource: Resource[Any], getters: Mapping[str, Callable[[Any], str]]) -> Predicate:
    """`getters` has every label that the selector names; they read the object as `resource` serves it."""

    def matches(entry: Entry) -> bool:
        obj = entry.in_version(resource).object
        return bool(selector.matches(lambda label: getters[label](obj)))

    return matches
