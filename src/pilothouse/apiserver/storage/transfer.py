"""Everything that one store has, written to another that has nothing: as of one revision, whole or told not to be.

Values that are encrypted at rest are copied as they are: who reads the target needs the same keys, and the same prefix of keys.
What belongs to running API servers alone is left out: who leads where, what upstream's allocators have counted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from pilothouse.apiserver.storage.encryption.transforming import ENCRYPTED
from pilothouse.apiserver.storage.interface import Item, Storage

ROOT = "/registry/"
PAGE = 500
LEFT_OUT = tuple(f"{ROOT}{name}/" for name in ("masterleases", "peerserverleases", "pilothouse", "ranges"))


class TargetNotEmpty(Exception):
    """The target has something already; `key` is the first of it. Nothing was written."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Incomplete(Exception):
    """Not everything is in the target: another has written to it, or removed from it, meanwhile."""


@dataclass(frozen=True, slots=True)
class Transferred:
    """How many objects were written, the revision of the source that they are of, and how many of them are encrypted at rest."""

    count: int
    revision: int
    encrypted: int = 0


async def transfer(source: Storage, target: Storage) -> Transferred:
    """Write all of `source` to `target`. TargetNotEmpty, Incomplete, or StorageFailed from either."""
    if there := (await target.range(ROOT, limit=1)).items:
        raise TargetNotEmpty(there[0].key)
    revision, count, encrypted = await source.revision(), 0, 0
    async for items in _pages(source, revision):
        await target.create({item.key: item.value for item in items})
        count += len(items)
        encrypted += sum(item.value.startswith(ENCRYPTED) for item in items)
    present = sum([len(items) async for items in _pages(target, await target.revision())])
    if present != count:
        raise Incomplete(f"{count} objects were written, and {present} are there")
    return Transferred(count, revision, encrypted)


async def _pages(storage: Storage, revision: int) -> AsyncIterator[list[Item]]:
    """All that is transferred of a store as of a revision, in parts."""
    start, more = "", True
    while more:
        page = await storage.range(ROOT, start, PAGE, revision)
        yield [item for item in page.items if not item.key.startswith(LEFT_OUT)]
        more = page.more
        start = page.items[-1].key + "\0" if more else ""
