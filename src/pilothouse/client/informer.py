"""A cache of one kind that follows the API: list once, then watch, for ever.

- `synced` is set when the first list has been told to every subscriber; the cache never shows a state before that one.
- A lost watch resumes where it was. Where that place is too old (410), or lies ahead of what the server knows (its state was put
  back), the cache lists again and tells subscribers the differences: a delete that was missed is told with the last state known.
- A server that cannot be reached is asked again with back-off and jitter; the cache keeps what it had meanwhile.
- Subscribers are called in the order of the events, synchronously: they must only take note (add a key to a queue).
- Objects are handed out as they came: in process they are the server's own. Never change one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from pilothouse.client.call import ListResult, Options, WatchEvent
from pilothouse.client.client import Client
from pilothouse.client.store import IndexFunction, Key, LabelMatcher, Store, key_of
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import strconv
from pilothouse.machinery.errors import StatusError

T = TypeVar("T")

Subscriber = Callable[[str, Any, Any], None]
"""(type, old, new): ADDED (None, new), MODIFIED (old, new), DELETED (the last state, None)."""

FIRST_BACK_OFF_SECONDS = 0.1
LONGEST_BACK_OFF_SECONDS = 30.0
"""As client-go's reflector, but for the first wait (there 0.8 s): a node agent that starts beside its API
server should not lose a second."""
QUIET_SECONDS = 120.0
"""A watch that held this long makes the next failure a first one."""
SHORT_WATCH_SECONDS = 1.0
"""A watch that ends sooner than this without any event counts as a failure, or a sick server would be asked without pause."""


STORE_READ_ERROR = "StorageReadError"
"""The reason of a list that met objects that cannot be decoded."""


def keys_of(error: StatusError) -> list[Key]:
    """Namespace and name of the objects that a list could not read: its causes name their keys in the store."""
    details = error.status.details
    parts = [cause.field.split("/") for cause in details.causes] if details is not None else []
    return [key for each in parts if len(each) > 2 for key in ((each[-2], each[-1]), ("", each[-1]))]


class _RevisionWentBack(Exception):
    """The server speaks of a revision before one that it has told already: its state is another than it was."""


class Informer(Generic[T]):
    """Informer of one kind: a store that list and watch keep current. `page_size` 0 lists without pages, as is right in process."""

    def __init__(
        self,
        client: Client,
        kind: type[T],
        *,
        clock: Clock,
        entropy: Entropy | None = None,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        page_size: int | None = None,
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self.synced = asyncio.Event()
        self.store: Store[T] = Store()
        self.revision = 0
        """The newest revision that this cache has seen, of an object, a list or a bookmark; a list may put it back."""
        self._client = client
        self._clock = clock
        self._entropy = entropy or Entropy()
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._page_size = getattr(client.transport, "page_size", 0) if page_size is None else page_size
        self._bookmarks: bool = getattr(client.transport, "bookmarks", True)
        self._subscribers: list[Subscriber] = []
        self._position = ""
        self._position_number = 0
        self._failures = 0

    def get(self, namespace: str, name: str) -> T | None:
        """The object as the cache has it, or None. Not to be changed."""
        return self.store.get(namespace, name)

    def list(self, namespace: str | None = None, selector: LabelMatcher | None = None) -> list[T]:
        """The cached objects; namespace None means all. Not to be changed."""
        return self.store.list(namespace, selector)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add an index: `function` gives the values under which an object is kept."""
        self.store.add_index(name, function)

    def by_index(self, name: str, value: str) -> Sequence[T]:
        """The cached objects that have this value in the index."""
        return self.store.by_index(name, value)

    def subscribe(self, callback: Subscriber) -> None:
        """Call `callback` for every change from now on, and at once for existing objects as ADDED."""
        self._subscribers.append(callback)
        for obj in [*self.store]:
            callback("ADDED", None, obj)

    async def run(self) -> None:
        """Follow the API until cancelled."""
        while True:
            started = self._clock.monotonic()
            try:
                await self._list()
                listed = self._position
                await self._watch_until_expired()
            except (ConnectionError, StatusError):
                await self._back_off()
                continue
            if self._position == listed and self._clock.monotonic() - started < SHORT_WATCH_SECONDS:
                await self._back_off()  # a server that knows not even the place that it has just told

    async def _list(self) -> None:
        options = Options(label_selector=self._label_selector, field_selector=self._field_selector, limit=self._page_size)
        options.ignore_store_read_error = True  # in process: what cannot be decoded is left out
        listed: list[T] = []
        unread: Sequence[Key] = ()
        while True:
            try:
                page: ListResult[T] = await self._client.list(self.kind, self.namespace, options=options)
            except StatusError as error:
                if error.reason != STORE_READ_ERROR or options.resource_version == "0":
                    raise
                unread, listed = keys_of(error), []
                options = replace(options, resource_version="0", continue_="", limit=0)
                continue
            listed.extend(page.items)
            if not page.continue_:
                break
            options.continue_ = page.continue_
        self._replace(listed, unread)
        self.revision = 0
        self._position, self._position_number = page.resource_version, _number(page.resource_version)
        self._saw(self._position_number)
        self.synced.set()

    async def _watch_until_expired(self) -> None:
        """Watch, and watch again where the last one ended, until the server does not know that place (any longer, or yet)."""
        while True:
            started, before = self._clock.monotonic(), self._position
            try:
                await self._watch()
            except _RevisionWentBack:
                return
            except StatusError as error:
                if error.code == 410:
                    return
                await self._back_off()
                if not _passes(error):
                    return
                continue
            except ConnectionError:
                await self._back_off()
                continue
            lasted = self._clock.monotonic() - started
            if lasted >= QUIET_SECONDS:
                self._failures = 0
            if lasted < SHORT_WATCH_SECONDS and self._position == before:
                await self._back_off()

    async def _watch(self) -> None:
        options = Options(
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            resource_version=self._position,
            allow_watch_bookmarks=self._bookmarks,
        )
        async with _closing(self._client.watch(self.kind, self.namespace, options=options)) as events:
            async for event in events:
                self._failures = 0
                self._take(event)

    def _take(self, event: WatchEvent[T]) -> None:
        obj = event.object
        version: str = obj.metadata.resourceVersion  # type: ignore[attr-defined]
        number = _number(version)
        if number < self._position_number:
            raise _RevisionWentBack
        self._position, self._position_number = version, number
        if event.type == "BOOKMARK":
            self._saw(number)
        elif event.type == "DELETED":
            old = self.store.remove(*key_of(obj))
            self._saw(number)
            if old is not None:
                self._tell("DELETED", obj, None)
        else:
            old = self.store.put(obj)
            self._saw(number)
            self._tell("ADDED" if old is None else "MODIFIED", old, obj)

    def _replace(self, listed: Sequence[T], unread: Sequence[Key] = ()) -> None:
        """Make the cache show `found`, telling only what differs; what the server could not read stays as it was."""
        keys: set[Key] = {*unread, *(key_of(obj) for obj in listed)}
        for key in self.store.present():
            if key not in keys:
                self._tell("DELETED", self.store.remove(*key), None)
        for obj in listed:
            old = self.store.put(obj)
            if old is None:
                self._tell("ADDED", None, obj)
            elif old.metadata.resourceVersion != obj.metadata.resourceVersion:  # type: ignore[attr-defined]
                self._tell("MODIFIED", old, obj)

    def _saw(self, revision: int) -> None:
        self.revision = max(self.revision, revision)

    def _tell(self, type: str, old: T | None, new: T | None) -> None:
        for subscriber in self._subscribers:
            subscriber(type, old, new)

    async def _back_off(self) -> None:
        self._failures += 1
        seconds = min(FIRST_BACK_OFF_SECONDS * 2.0 ** min(self._failures - 1, 30), LONGEST_BACK_OFF_SECONDS)
        await self._clock.sleep(self._entropy.jitter(seconds, 1.0))


def _number(version: str) -> int:
    """A resourceVersion as the number that it is; 0 for a server that has it otherwise."""
    return strconv.unsigned(version) or 0


def _passes(error: StatusError) -> bool:
    """A failure to watch that has nothing to do with the place: a server that starts, or has too much to do."""
    details = error.status.details
    ahead = details is not None and any(cause.reason == "ResourceVersionTooLarge" for cause in details.causes)
    return not ahead and (error.code == 429 or error.code >= 500)


def _closing(events: AsyncIterator[WatchEvent[T]]) -> aclosing[Any]:
    """Close the watch on every way out; a transport's iterator has `aclose`, as its contract says."""
    return aclosing(cast(Any, events))
