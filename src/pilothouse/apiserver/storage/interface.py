"""The port to a store of bytes: what the API server asks of memory, SQLite or etcd.

- One revision counts the writes of the whole store; it never goes back, also not after a crash or a compaction.
- A write is acknowledged (its `commit` returns) only when it is as durable as the store can make it.
- Watchers see every write once, in the order of revisions, and before the `commit` that made it returns to others.
- A store knows keys, bytes and revisions, not objects. testing/conformance/storage.py is the contract as tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

FIRST_REVISION = 1
"""The revision of an empty store, as etcd has it: 0 means "any" in the API and must never be an answer."""


MASTER_LEASES = "/registry/masterleases/"
"""Below it API servers that share a store say that they are there; it forgets them by itself."""
PROGRESS = "//progress/"
"""The key of an event that is no write: everything up to its revision has been told. Only a store that others write to as well sends it."""


class Item(NamedTuple):
    """A key's value, the revision that wrote it and the revision that created the key (both equal for a new one)."""

    key: str
    value: bytes
    revision: int
    created: int


@dataclass(frozen=True, slots=True)
class Range:
    """Items in the order of their keys as of `revision`; `more` says that `limit` cut the answer off."""

    items: Sequence[Item]
    revision: int
    more: bool = False


class Event(NamedTuple):
    """One write. A delete has no `value`. `previous` is the revision that it replaced, 0 when the key is new; `previous_value` what
    stood there, for watches that asked for it, and as long as it is kept."""

    key: str
    value: bytes | None
    revision: int
    created: int
    previous: int
    previous_value: bytes | None = None

    @property
    def type(self) -> str:
        """ADDED, MODIFIED or DELETED, as the API's watch names them."""
        if self.value is None:
            return "DELETED"
        return "MODIFIED" if self.previous else "ADDED"


class CompareFailed(Exception):
    """A commit expected another revision of its key than the newest, `revision`; 0 when the key does not exist.

    The newest write (a delete, say) may not be acknowledged yet: whoever has seen everything up to `seen_at` has seen it, too.
    """

    def __init__(self, key: str, revision: int, seen_at: int) -> None:
        super().__init__(f"{key} is at revision {revision}")
        self.key = key
        self.revision = revision
        self.seen_at = seen_at


class StorageFailed(Exception):
    """The store could not write, or read: a full or broken disk. Nothing of what was waiting has been written."""


class StorageUnavailable(StorageFailed):
    """A store elsewhere could not do it now. The text is what clients are told; a write may have been made."""


class StorageTimedOut(StorageUnavailable):
    """A store elsewhere did not answer in time."""


class NotTransformable(StorageFailed):
    """A value that encryption at rest could not encrypt; the text is upstream's. Nothing was written."""


class ConcurrentAllocation(CompareFailed):
    """Another API server has allocated since: the key itself would have fitted. See `SharedStorage`."""


class Compacted(Exception):
    """The revision asked for is older than what the store keeps; `oldest` is the first one that it can still show."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(f"revision {revision} is compacted, the oldest is {oldest}")
        self.revision = revision
        self.oldest = oldest


class FutureRevision(Exception):
    """The revision asked for has not happened yet."""

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(f"revision {revision} is in the future, the newest is {current}")
        self.revision = revision
        self.current = current


class Storage(Protocol):
    """The port to a store of bytes by key, with revisions and watches. All methods are called from one event loop."""

    shared: bool
    """Whether other API servers may write to it, too: what this one has been told of may then be behind."""

    async def get(self, key: str, revision: int = 0) -> Item | None:
        """A key's item as of `revision` (0: now); raises as `range` does."""
        ...

    async def range(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        """Items whose keys begin with `prefix` and are not below `start`, as of `revision` (0: now).

        Raises Compacted, or FutureRevision.
        """
        ...

    async def commit(self, key: str, value: bytes | None, expected: int | None) -> int:
        """Write (or with None delete) and return the new revision. `expected` is the key's revision, 0 for "must not exist",
        None for "whatever it is". Raises CompareFailed, also for the delete of what does not exist, and StorageFailed."""
        ...

    async def create(self, values: Mapping[str, bytes]) -> None:
        """Write those whose keys do not exist, together and in this order; what exists stays. Raises StorageFailed."""
        ...

    def watch(self, prefix: str, after: int, *, previous_values: bool = False) -> AsyncIterator[Sequence[Event]]:
        """Everything written to `prefix` after the revision `after`, in batches that never split what became visible together.

        The first batch comes at once: it is what was written before the call, and may be empty. `previous_values` asks for what each
        write replaced. Raises Compacted.
        """
        ...

    def follow(self, deliver: Callable[[Sequence[Event]], None], missed: Callable[[int], None] | None = None) -> Callable[[], None]:
        """Have `deliver` called with every batch of writes from now on, before the commits in it return; it must not raise.

        Returns what ends that. No task need be woken for a write to be seen, as the reader of a watch is. `missed` is called with a
        revision when the writes up to it cannot be told of any more: what is there then is to be read. Only a shared store does that.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Forget what was overwritten or deleted before `revision`: ranges at and watches from older revisions raise Compacted."""
        ...

    async def revision(self) -> int:
        """The newest revision."""
        ...

    async def close(self) -> None:
        """Finish what was accepted and end all watches. Nothing may be called afterwards."""
        ...


class SharedStorage(Storage, Protocol):
    """A store that several API servers write to. What they allocate (addresses, ports) must differ though each chooses by what it has
    been told of: an allocating write is made only if no other has been made since."""

    @property
    def allocated(self) -> int:
        """The revision of the last allocating write that has been told of."""
        ...

    async def commit_allocating(self, key: str, value: bytes, expected: int, allocated: int) -> int:
        """As `commit`, if `allocated` is still the revision of the last allocating write. Raises ConcurrentAllocation otherwise."""
        ...
