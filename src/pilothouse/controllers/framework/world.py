"""What a plan sees: the caches at one moment, the time, and what went wrong last.

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
        """The object as the cache has it, or None. Not to be changed."""
        return self._stores(kind).get(namespace, name)

    def list(self, kind: type[T], namespace: str | None = None, selector: LabelMatcher | None = None) -> list[T]:
        """The objects of a kind as the cache has them; namespace None means all. Not to be changed."""
        return self._stores(kind).list(namespace, selector)

    def indexed(self, kind: type[T], function: IndexFunction, value: str) -> Sequence[T]:
        """The objects for which `function` (a named one, always the same) gives `value`."""
        store = self._stores(kind)
        name = index_name(function)
        store.add_index(name, function)
        return store.by_index(name, value)

    def owned(self, owner: Any, kind: type[T]) -> Sequence[T]:
        """What `owner` controls."""
        return self.indexed(kind, controller_uid, owner.metadata.uid)

    def claimable(self, owner: Any, kind: type[T], selector: LabelMatcher) -> Sequence[T]:
        """What `owner` controls, and the orphans in its namespace that its selector matches: the candidates of a claim."""
        orphans = self.indexed(kind, orphans_by_namespace, owner.metadata.namespace)
        return [*self.owned(owner, kind), *(orphan for orphan in orphans if selector.matches(orphan.metadata.labels))]  # type: ignore[attr-defined]

    def seconds_since(self, moment: str) -> float:
        """Seconds from an RFC 3339 time until now."""
        return (self.now - time.parse(moment)).total_seconds()

    def seen_since(self, name: str, value: V) -> datetime:
        """Since when, by `steady`, `value` has been what it is under this name, as far as this process has seen."""
        known = self.memory.get(name)
        if known is None or known[0] != value:
            known = self.memory[name] = (value, self.steady)
        since: datetime = known[1]
        return since


def orphans_by_namespace(obj: Any) -> tuple[str, ...]:
    """Index: what has no controller, by namespace."""
    return () if controller_uid(obj) else (obj.metadata.namespace,)
