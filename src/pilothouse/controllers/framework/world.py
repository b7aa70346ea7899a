"""Snapshot that a plan reads: caches, time, and the failure of the last execution.

A plan runs without awaiting, so what it reads is one consistent snapshot. Objects in it are committed: `clone` before changing one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pilothouse.client.store import IndexFunction, LabelMatcher, Store, controller_uid, index_name
from pilothouse.controllers.framework.actions import Failure
from pilothouse.controllers.framework.settings import Settings
from pilothouse.machinery import time

T = TypeVar("T")
V = TypeVar("V")

Stores = Callable[[type[Any]], Store[Any]]


class World:
    """Snapshot that a plan reads: caches, time, earlier failures.

    `memory` is what the controller keeps between two plans of one key, `shared` what it keeps over all of them (rates, reservations); both
    are lost with the process. `observed` is what its `observe` has found.
    """

    def __init__(
        self,
        stores: Stores,
        now: datetime,
        *,
        settings: Settings | None = None,
        failure: Failure | None = None,
        memory: dict[str, Any] | None = None,
        shared: dict[str, Any] | None = None,
        observed: Any = None,
        steady: datetime | None = None,
    ) -> None:
        self.now = now
        self.steady = steady or now
        """For durations of this process: as `now`, but it does not jump when the clock is set."""
        self.settings = settings or Settings()
        self.failure = failure
        self.memory: dict[str, Any] = {} if memory is None else memory
        self.shared: dict[str, Any] = {} if shared is None else shared
        self.observed = observed
        self._stores = stores

    @property
    def now_text(self) -> str:
        """The time of this plan as the API writes it (RFC 3339, whole seconds)."""
        return time.text(self.now)

    def get(self, kind: type[T], namespace: str, name: str) -> T | None:
        """The object from the cache, or None. Do not change it."""
        return self._stores(kind).get(namespace, name)

    def list(self, kind: type[T], namespace: str | None = None, selector: LabelMatcher | None = None) -> list[T]:
        """Objects of a kind from the cache; namespace None means all. Do not change them."""
        return self._stores(kind).list(namespace, selector)

    def indexed(self, kind: type[T], function: IndexFunction, value: str) -> Sequence[T]:
        """Objects for which `function`, which must be a named function, returns `value`."""
        store = self._stores(kind)
        name = index_name(function)
        store.add_index(name, function)
        return store.by_index(name, value)

    def owned(self, owner: Any, kind: type[T]) -> Sequence[T]:
        """Objects of a kind that `owner` controls."""
        return self.indexed(kind, controller_uid, owner.metadata.uid)

    def claimable(self, owner: Any, kind: type[T], selector: LabelMatcher) -> Sequence[T]:
        """Objects that `owner` controls, and orphans in its namespace that its selector matches."""
        orphans = self.indexed(kind, orphans_by_namespace, owner.metadata.namespace)
        return [*self.owned(owner, kind), *(orphan for orphan in orphans if selector.matches(orphan.metadata.labels))]  # type: ignore[attr-defined]

    def seconds_since(self, moment: str) -> float:
        """Seconds from an RFC 3339 time until now."""
        return (self.now - time.parse(moment)).total_seconds()

    def seen_since(self, name: str, value: V) -> datetime:
        """Since when, in `steady` time, `value` has been the value under this name in this process."""
        known = self.memory.get(name)
        if known is None or known[0] != value:
            known = self.memory[name] = (value, self.steady)
        since: datetime = known[1]
        return since


def orphans_by_namespace(obj: Any) -> tuple[str, ...]:
    """Index function: the namespace of an object without a controller."""
    return () if controller_uid(obj) else (obj.metadata.namespace,)
