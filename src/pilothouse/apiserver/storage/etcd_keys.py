"""Between the keys and events of the port and those of etcd. Pure.

All keys lie below `--etcd-prefix`, which the port knows as `/registry`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilothouse.apiserver.storage.interface import PROGRESS, Event, Item

ROOT = "/registry"
DELETE = 1
"""`Event.EventType` of etcd."""


class Keys:
    """Keys of the port, written below a prefix of etcd's."""

    def __init__(self, prefix: str) -> None:
        prefix = "/" + prefix.strip("/")
        self._prefix = "" if prefix == ROOT else prefix.rstrip("/")
        self._is_moved = prefix != ROOT
        self.root = self.encode(f"{ROOT}/")
        self.fence = self.encode(f"{ROOT}/pilothouse/progress")
        """Written to hear of one's own write where etcd cannot tell of progress."""
        self.allocation = self.encode(f"{ROOT}/pilothouse/allocation")
        """Written with everything that allocates."""

    def encode(self, key: str) -> bytes:
        """etcd's key for a key of the store."""
        return (self._prefix + key.removeprefix(ROOT) if self._is_moved else key).encode("utf-8", "surrogateescape")

    def decode(self, key: bytes) -> str:
        """The store's key for a key of etcd."""
        text = key.decode("utf-8", "surrogateescape")
        return ROOT + text.removeprefix(self._prefix) if self._is_moved else text

    def item(self, stored: Any) -> Item:
        """The item of etcd's KeyValue."""
        return Item(self.decode(stored.key), stored.value, stored.mod_revision, stored.create_revision)

    def event(self, told: Any) -> Event:
        """A write as etcd's watch tells of it. Where it does not tell what was replaced (it was not asked to, or has compacted that), the
        revision of that is taken to be the creation's, or the one before a delete."""
        now = told.kv
        before = told.prev_kv if told.HasField("prev_kv") else None
        if told.type == DELETE:
            created, previous = (before.create_revision, before.mod_revision) if before is not None else (0, now.mod_revision - 1)
            return Event(self.decode(now.key), None, now.mod_revision, created, previous, before.value if before is not None else None)
        if now.create_revision == now.mod_revision:
            return Event(self.decode(now.key), now.value, now.mod_revision, now.mod_revision, 0)
        previous, value = (before.mod_revision, before.value) if before is not None else (now.create_revision, None)
        return Event(self.decode(now.key), now.value, now.mod_revision, now.create_revision, previous, value)

    def events(self, told: Sequence[Any]) -> list[Event]:
        """etcd's events as events of the store, in the same order."""
        return [self.event(event) for event in told]


def progress(revision: int) -> Event:
    """What a follower is told when nothing of its concern was written up to a revision."""
    return Event(PROGRESS, None, revision, 0, 0)


def end_of(prefix: bytes) -> bytes:
    """The first key after all that begin with a prefix, which ends in a byte below 0xff."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))
