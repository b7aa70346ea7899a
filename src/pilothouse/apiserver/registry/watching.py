"""Watch: events after a revision, or the current objects and then events."""

from __future__ import annotations

import asyncio

from pilothouse.apiserver.cache.cache import Cache
from pilothouse.apiserver.cache.converting import ConvertingWatch, converted
from pilothouse.apiserver.cache.event import ADDED, CacheEvent, bookmark
from pilothouse.apiserver.cache.selection import Selection
from pilothouse.apiserver.cache.watch import Watch
from pilothouse.apiserver.registry.listoptions import check_watch, with_watch_defaults
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.selectors import check_syntax, selection_of
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.registry.versions import InvalidRevision, revision_of, wait_until_fresh
from pilothouse.machinery.errors import failure

LAST_BOOKMARK_SECONDS = 2.0
"""How long before its end a watch is sent a last bookmark, as upstream; a shorter one gets none."""


async def check(store: RegistryStore, request: Request) -> None:
    """Refuse what is wrong with the options of a watch that is not served at all: it is told first."""
    check_syntax(request.options)
    check_watch(with_watch_defaults(request.options))
    selection_of(request, store.caches.peek(request.resource))


async def watch(store: RegistryStore, request: Request, tasks: asyncio.TaskGroup) -> Watch:
    """Start a watch, with the requested initial state in it."""
    options = with_watch_defaults(request.options)
    check_syntax(options)
    check_watch(options)
    cache = await store.caches.of(request.resource)
    selection = selection_of(request, cache)
    try:
        revision = revision_of(options.resource_version)
    except InvalidRevision as error:
        raise failure(500, "", str(error)) from error
    made = _opened(request, selection, wants_bookmarks=options.allow_watch_bookmarks)
    if isinstance(made, ConvertingWatch):
        await converted(cache.entries(selection.prefix), request.served)
    if options.send_initial_events:
        await wait_until_fresh(store, revision)
        if not options.resource_version:
            await store.caches.wait_for_revision(await store.storage.revision())
        made.begin(_state(cache, store.caches.revision_of(cache), selection, ends=options.allow_watch_bookmarks))
    elif revision > store.caches.revision_of(cache):
        made.after = revision  # as upstream: such a watch is silent until then
    elif revision:
        made.begin(await _resumed(store, cache, selection, revision))
    cache.watch(made)
    if options.timeout_seconds is not None:
        timer = tasks.create_task(_end_after(store, cache, made, options.timeout_seconds), name="watch timeout")
        made.closing.append(lambda: _cancel(timer))
    return made


def _opened(request: Request, selection: Selection, *, wants_bookmarks: bool) -> Watch:
    if request.served.converter is None or request.served.from_stored is None:
        return Watch(selection, wants_bookmarks=wants_bookmarks)
    return ConvertingWatch(selection, request.served, wants_bookmarks=wants_bookmarks)


def _state(cache: Cache, revision: int, selection: Selection, *, ends: bool) -> list[CacheEvent]:
    """What there is as synthetic ADDED events, closed by a bookmark where the client asked to be told."""
    events = [CacheEvent(ADDED, entry, None, entry.revision) for entry in cache.select(selection)]
    if ends:
        events.append(bookmark(cache.resource, cache.head, revision, initial_end=True))
    return events


async def _resumed(store: RegistryStore, cache: Cache, selection: Selection, after: int) -> list[CacheEvent]:
    """What has happened since `after`: from the ring, and from the store what the ring no longer has."""
    older: list[CacheEvent] = []
    while after < cache.floor:
        covered = await store.storage.revision()
        older += await store.caches.history(cache, after, covered)
        await store.caches.wait_for_revision(covered)
        after = covered
    return [seen for event in older + cache.since(after) if (seen := selection.translate(event)) is not None]


async def _end_after(store: RegistryStore, cache: Cache, watch: Watch, seconds: float) -> None:
    await store.clock.sleep(seconds - LAST_BOOKMARK_SECONDS)
    if watch.wants_bookmarks and seconds > LAST_BOOKMARK_SECONDS:
        watch.offer_bookmark(bookmark(cache.resource, cache.head, store.caches.revision_of(cache)))
    await store.clock.sleep(min(seconds, LAST_BOOKMARK_SECONDS))
    watch.end()


def _cancel(timer: asyncio.Task[None]) -> None:
    if timer is not asyncio.current_task():
        timer.cancel()
