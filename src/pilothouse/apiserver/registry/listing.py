"""Get and list: from the watch cache, or from the store for pages and exact revisions that the cache does not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.apiserver.cache.cache import Cache
from pilothouse.apiserver.cache.converting import converted
from pilothouse.apiserver.cache.corrupt import CorruptValue, unlistable
from pilothouse.apiserver.cache.entry import Entry, EntryList
from pilothouse.apiserver.cache.event import ADDED, DELETED
from pilothouse.apiserver.cache.selection import Selection
from pilothouse.apiserver.registry.continuing import continue_token, parse_token
from pilothouse.apiserver.registry.listoptions import check_list
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.selectors import check_syntax, selection_of
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.registry.versions import InvalidRevision, revision_of, wait_until_fresh
from pilothouse.apiserver.storage.interface import Compacted, FutureRevision
from pilothouse.machinery.errors import StatusError, bad_request, expired, failure

STORE_PAGE = 500
"""Items that are asked of the store at once when a selector may drop any number of them."""
CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
    "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with "
    "the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)
REVISION_EXPIRED = "The resourceVersion for the provided list is too old."


async def get(store: RegistryStore, request: Request) -> Entry:
    """The newest entry of an object, not older than `resourceVersion`.

    Raises a 404, or a 504 when the cache does not get there in time.
    """
    await as_new_as_asked(store, request)
    entry = await store.entry(request.resource, request.namespace, request.name, request.served)
    return entry.in_version(request.served)


@dataclass(slots=True)
class _Page:
    entries: list[Entry]
    revision: int
    next_key: str = ""
    remaining: int | None = None


async def as_new_as_asked(store: RegistryStore, request: Request) -> None:
    """Wait until the caches have the resourceVersion that a GET asks for. Raises a 504 when they do not get there in time."""
    if request.options.resource_version not in ("", "0"):
        try:
            revision = revision_of(request.options.resource_version)
        except InvalidRevision as error:
            raise failure(500, "", str(error)) from error
        await wait_until_fresh(store, revision)
    elif store.storage.shared and not request.options.resource_version:
        await store.current()


async def list_(store: RegistryStore, request: Request) -> EntryList:
    """The selected objects, or one page of them, as of one revision."""
    check_syntax(request.options)
    check_list(request.options)
    cache = await store.caches.of(request.resource)
    selection = selection_of(request, cache)
    start, revision = await _position(store, request, selection.prefix)
    if request.served.converter is not None and request.options.field_selector:
        await converted(cache.entries(selection.prefix), request.served, unlistable)
    if revision and (revision < cache.changed or revision < store.compacted):  # what is compacted is refused, though nothing has changed
        page = await _from_store(store, request, cache, selection, start, revision)
    else:
        limit = request.options.limit
        if request.options.resource_version == "0" and not request.options.continue_ and request.resource.strategy.lists_cached:
            limit = 0
        page = _from_cache(cache, selection, start, revision or store.caches.revision_of(cache), limit)
    if cache.corrupt and request.options.resource_version != "0" and not request.options.ignore_store_read_error:
        refuse_corrupt(cache, selection, start, page.next_key)
    entries = page.entries
    if request.served.from_stored is not None:
        await converted(entries, request.served, unlistable)
        entries = [entry.in_version(request.served) for entry in entries]
    token = continue_token(page.revision, page.next_key.removeprefix(selection.prefix)) if page.next_key else ""
    return EntryList(request.served, entries, page.revision, token, page.remaining)


def refuse_corrupt(cache: Cache, selection: Selection, start: str, end: str) -> None:
    """Raise StatusError when a key of the page has a value that cannot be decoded, whatever the selectors are."""
    keys = (key for key in cache.corrupt if key.startswith(selection.prefix) and key >= start and (not end or key < end))
    if corrupt := [cache.corrupt[key] for key in sorted(keys)]:
        raise unlistable(cache.resource, corrupt)


async def _position(store: RegistryStore, request: Request, prefix: str) -> tuple[str, int]:
    """The key that the list begins at, and the revision at which it is to be shown (0: the newest). Tokens count from `prefix`."""
    options = request.options
    if options.continue_:
        start, revision = parse_token(options.continue_)
        if options.resource_version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        if revision < 0:  # the remainder of an expired list, at whatever revision is newest
            return prefix + start, 0
        if revision > 0:
            await wait_until_fresh(store, revision)
        return prefix + start, revision
    if options.resource_version in ("", "0"):
        if options.resource_version == "":
            await store.caches.wait_for_revision(await store.storage.revision())
        return "", 0
    try:
        revision = revision_of(options.resource_version)
    except InvalidRevision as error:
        raise bad_request(f"invalid resource version: {error}") from error
    await wait_until_fresh(store, revision, cached=request.resource.strategy.lists_cached)
    exact = options.resource_version_match == "Exact" or (not options.resource_version_match and options.limit > 0)
    return "", revision if exact else 0


def _from_cache(cache: Cache, selection: Selection, start: str, shown: int, limit: int) -> _Page:
    if not limit:
        return _Page(list(cache.select(selection, start)), shown)
    entries, next_key = _cut(cache.candidates(selection, start), selection, limit)
    remaining = None
    if next_key and selection.selects_everything:
        remaining = cache.count(selection.prefix, next_key)
    return _Page(entries, shown, next_key, remaining)


def _cut(candidates: Iterator[Entry], selection: Selection, limit: int) -> tuple[list[Entry], str]:
    """The first `limit` entries, and the key after the last of them when there are more, whether these match or not: as upstream."""
    entries: list[Entry] = []
    for entry in candidates:
        if len(entries) == limit:
            return entries, entries[-1].key + "\0"
        if selection.selects_everything or selection.matches(entry):
            entries.append(entry)
    return entries, ""


async def _from_store(store: RegistryStore, request: Request, cache: Cache, selection: Selection, start: str, revision: int) -> _Page:
    limit = request.options.limit
    entries: list[Entry] = []
    try:
        while True:
            listed = await store.storage.range(selection.prefix, start, STORE_PAGE, revision)
            for item in listed.items:
                entry = cache.read(item)
                if isinstance(entry, CorruptValue):
                    raise unlistable(cache.resource, [entry])
                if limit and len(entries) == limit:
                    next_key = entries[-1].key + "\0"
                    return _Page(entries, revision, next_key, _remaining(cache, selection, next_key, revision))
                if selection.matches(entry):
                    entries.append(entry)
            if not listed.more:
                return _Page(entries, revision)
            start = listed.items[-1].key + "\0"
    except Compacted as error:
        raise _too_old(request, selection.prefix, start) from error
    except FutureRevision as error:
        raise bad_request(str(error)) from error


def _remaining(cache: Cache, selection: Selection, next_key: str, revision: int) -> int | None:
    """How many followed at a revision: as many as follow now, without what has come since, and with what has gone."""
    if not selection.selects_everything or revision < cache.floor:
        return None
    later = [event for event in cache.since(revision) if event.entry.key.startswith(selection.prefix) and event.entry.key >= next_key]
    balance = sum((event.type == DELETED) - (event.type == ADDED) for event in later)
    return cache.count(selection.prefix, next_key) + balance


def _too_old(request: Request, prefix: str, start: str) -> StatusError:
    """410; of a paged list with a token that goes on from the same place at the newest revision."""
    if not request.options.continue_:
        return expired(REVISION_EXPIRED)
    error = expired(CONTINUE_EXPIRED)
    error.status.metadata.continue_ = continue_token(-1, start.removeprefix(prefix))
    return error
