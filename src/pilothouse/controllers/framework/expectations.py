"""Expectations: writes of a controller that its caches do not show yet. A key with expectations is not planned again.

That is what keeps a controller from making a Pod twice because a watch was slow. Unlike upstream's counts these name the very
objects: a create is seen when the cache shows that uid or has passed that revision, a delete when the uid is gone or going.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilothouse.client.informer import Informer
from pilothouse.client.store import Key
from pilothouse.machinery import strconv

TIMEOUT_SECONDS = 300.0
"""After this long a key is planned anyway (upstream's ExpectationsTimeout)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One expected event. `revision` 0 marks a deletion."""

    kind: type[Any]
    namespace: str
    name: str
    uid: str
    revision: int


class Expectations:
    """Expected creations and deletions by key. A key that had to wait is woken when its expectations are satisfied.

    `informer_of` gives the cache of a kind, or None for kinds that this process does not watch.
    """

    def __init__(self, informer_of: Callable[[type[Any]], Informer[Any] | None], wake: Callable[[Key], None]) -> None:
        self._informer_of = informer_of
        self._wake = wake
        self._open: dict[Key, set[Expected]] = {}
        self._by_uid: dict[str, set[tuple[Key, Expected]]] = {}
        self._subscribed: set[type[Any]] = set()
        self._asked: set[Key] = set()

    def expect(self, key: Key, obj: Any, *, deletion: bool = False) -> None:
        """Expect the event of a write that returned `obj`; a deletion is to be expected before it is requested."""
        meta = obj.metadata
        revision = 0 if deletion else _revision(obj)
        expected = Expected(type(obj), meta.namespace, meta.name, meta.uid, revision)
        informer = self._informer_of(expected.kind)
        if informer is None or _seen(informer, expected):
            return
        if expected.kind not in self._subscribed:
            self._subscribed.add(expected.kind)
            informer.subscribe(self._observe)
        self._open.setdefault(key, set()).add(expected)
        self._by_uid.setdefault(expected.uid, set()).add((key, expected))

    def unexpect_deletion(self, key: Key, obj: Any) -> None:
        """Drop an expectation, because the deletion failed."""
        meta = obj.metadata
        self._close(key, Expected(type(obj), meta.namespace, meta.name, meta.uid, 0))

    def satisfied(self, key: Key) -> bool:
        """Whether the caches show all writes for the key."""
        for expected in [*self._open.get(key, ())]:
            informer = self._informer_of(expected.kind)
            if informer is None or _seen(informer, expected):
                self._close(key, expected)
        if key in self._open:
            self._asked.add(key)
            return False
        return True

    def forget(self, key: Key) -> None:
        """Drop the expectations of a key: they expired, or its object is gone."""
        for expected in [*self._open.get(key, ())]:
            self._close(key, expected)

    def _observe(self, type_: str, old: Any, new: Any) -> None:
        obj = new if new is not None else old
        waiting = self._by_uid.get(obj.metadata.uid)
        if not waiting:
            return
        for key, expected in sorted(waiting, key=lambda item: item[0]):
            informer = self._informer_of(expected.kind)
            if informer is None or _seen(informer, expected):
                self._close(key, expected)
                if key not in self._open and key in self._asked:
                    self._asked.discard(key)
                    self._wake(key)

    def _close(self, key: Key, expected: Expected) -> None:
        still = self._open.get(key)
        if still is None or expected not in still:
            return
        still.discard(expected)
        if not still:
            del self._open[key]
        waiting = self._by_uid[expected.uid]
        waiting.discard((key, expected))
        if not waiting:
            del self._by_uid[expected.uid]


def _seen(informer: Informer[Any], expected: Expected) -> bool:
    if expected.revision and informer.revision >= expected.revision:
        return True
    shown = informer.get(expected.namespace, expected.name)
    if expected.revision:
        return shown is not None and shown.metadata.uid == expected.uid and _revision(shown) >= expected.revision
    return shown is None or shown.metadata.uid != expected.uid or bool(shown.metadata.deletionTimestamp)


def _revision(obj: Any) -> int:
    return strconv.unsigned(obj.metadata.resourceVersion) or 0
