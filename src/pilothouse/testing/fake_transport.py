"""A small API in memory for tests of clients and controllers, without defaults, validation or admission.

- Real enough: revisions, uids, generateName, generation, conflicts, finalizers, the status subresource, merge patches, watches that resume.
- Faults on order: `fail(error)` for the next calls, `hold()` and `release()` of watch events (a stale cache), `lose_responses(n)`,
  `break_watches()`, `forget_history()` (410 for watches from before), `restore_to(revision)`.
- `calls` keeps every call but reads, so that a test can say what was asked.

What a server does beyond that is the registry's affair (testing.Cluster).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import orjson

from pilothouse.api.catalogue import resource_of
from pilothouse.client.call import Call, ListResult, Options, WatchEvent
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import codec, errors, strconv, time
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta, Status, StatusCause, StatusDetails

CALLS_LIMIT = 100_000
_END = object()

Key = tuple[type[Any], str, str]
Change = tuple[int, type[Any], WatchEvent[Any]]


class FakeTransport:
    """Transport to a small API in memory, with faults on order."""

    def __init__(self, clock: Clock, entropy: Entropy | None = None) -> None:
        self.calls: deque[Call] = deque(maxlen=CALLS_LIMIT)
        self.revision = 1
        self._clock = clock
        self._entropy = entropy or Entropy(1)
        self._objects: dict[Key, Any] = {}
        self._history: list[Change] = []
        self._forgotten = 0
        self._watchers: list[tuple[asyncio.Queue[Any], int]] = []
        self.intercept: Callable[[Call], Exception | None] = lambda call: None
        """Asked before every call: what it is to fail with."""
        self._failures: deque[tuple[Exception, Callable[[Call], bool]]] = deque()
        self._lost = 0
        self._held: list[Change] | None = None
        self._held_kinds: tuple[type[Any], ...] = ()

    # The transport.

    async def call(self, call: Call) -> Any:
        """Carry out a call on the objects in memory. StatusError as the API would."""
        if call.verb not in ("get", "list", "watch"):
            self.calls.append(call)
        self._fail_if_ordered(call)
        answer = getattr(self, f"_{call.verb}")(call)
        if self._lost and call.verb not in ("get", "list"):
            self._lost -= 1
            raise ConnectionError("the answer was lost")
        return answer

    async def watch(self, call: Call) -> AsyncIterator[WatchEvent[Any]]:
        """Yield recorded events after the resourceVersion, then new ones."""
        self._fail_if_ordered(call)
        after = strconv.parse_uint(call.options.resource_version) if call.options.resource_version else self.revision
        if after > self.revision:
            raise too_large(after, self.revision)
        if after < self._forgotten:
            raise errors.expired(f"too old resource version: {after} ({self._forgotten})")
        queue: asyncio.Queue[Any] = asyncio.Queue()
        held = {revision for revision, _, _ in self._held or ()}
        for change in self._history:
            if change[0] > after and change[0] not in held:
                queue.put_nowait(change)
        watcher = (queue, after)
        self._watchers.append(watcher)
        try:
            while (change := await queue.get()) is not _END:
                if isinstance(change, Exception):
                    raise change
                _, kind, event = change
                if kind is call.resource.type and call.namespace in ("", event.object.metadata.namespace):
                    yield event
        finally:
            self._watchers.remove(watcher)

    # What a test orders.

    def fail(self, *failures: Exception, when: Callable[[Call], bool] = lambda call: True) -> None:
        """Raise these, one a call, from the next calls that `when` accepts."""
        self._failures.extend((failure, when) for failure in failures)

    def lose_responses(self, count: int) -> None:
        """Perform the next writes, but report a connection error for them."""
        self._lost = count

    def hold(self, *kinds: type[Any]) -> None:
        """Keep watch events back, of these kinds or of all: caches grow stale."""
        self._held = self._held or []
        self._held_kinds = kinds

    def release(self, count: int | None = None) -> None:
        """Let held events go: the first `count`, or all and those to come."""
        held = self._held or []
        going = held if count is None else held[:count]
        self._held = None if count is None else held[count:]
        for change in going:
            self._send(change, late=True)

    def break_watches(self, error: Exception | None = None) -> None:
        """End every watch, as a server that closes, or with an error."""
        for queue, _ in self._watchers:
            queue.put_nowait(error or _END)

    def bookmark(self, kind: type[Any]) -> None:
        """Send a BOOKMARK at a new revision to the watchers of a kind."""
        self.revision += 1
        mark = kind()
        mark.metadata.resourceVersion = str(self.revision)
        self._record(kind, WatchEvent("BOOKMARK", mark))

    def forget_history(self) -> None:
        """Compact: watches from before now get 410."""
        self._forgotten = self.revision + 1
        self.revision += 1
        self._history.clear()

    def restore_to(self, revision: int) -> None:
        """Return to the state at this revision, as a server restored from a backup."""
        self._objects = {key: obj for key, obj in self._objects.items() if strconv.parse_uint(obj.metadata.resourceVersion) <= revision}
        self._history = [change for change in self._history if change[0] <= revision]
        self.revision, self._forgotten = revision, min(self._forgotten, revision)

    def add(self, *objects: Any) -> list[Any]:
        """Create objects without a call being noted; their status is kept."""
        return [self._create_object(codec.clone(obj), obj.metadata.namespace) for obj in objects]

    def change(self, obj: Any, edit: Callable[[Any], None]) -> Any:
        """Change an object directly, its status too."""
        key = (type(obj), obj.metadata.namespace, obj.metadata.name)
        new = codec.clone(self._objects[key])
        edit(new)
        if getattr(new, "spec", None) != getattr(self._objects[key], "spec", None):
            new.metadata.generation = self._objects[key].metadata.generation + 1
        return self._store(key, new)

    def delete(self, obj: Any, options: Options | None = None) -> None:
        """Delete an object directly; finalizers keep it."""
        meta = obj.metadata
        self._delete(Call("delete", resource_of(type(obj)), meta.namespace, meta.name, options=options or Options()))

    def remove(self, obj: Any) -> None:
        """Delete at once, whatever finalizers there are."""
        self._drop((type(obj), obj.metadata.namespace, obj.metadata.name))

    def all(self, kind: type[Any], namespace: str | None = None) -> list[Any]:
        """The objects of a kind; namespace None means all."""
        return [obj for key, obj in self._objects.items() if key[0] is kind and namespace in (None, key[1])]

    # The verbs.

    def _get(self, call: Call) -> Any:
        return self._object(call)[1]

    def _list(self, call: Call) -> ListResult[Any]:
        objects = [obj for obj in self.all(call.resource.type, call.namespace or None) if _selected(obj, call)]
        start = strconv.parse_uint(call.options.continue_) if call.options.continue_ else 0
        page = objects[start : start + call.options.limit] if call.options.limit else objects[start:]
        left = len(objects) - start - len(page)
        return ListResult(page, str(self.revision), str(start + len(page)) if left else "", left or None)

    def _create(self, call: Call) -> Any:
        if call.subresource:
            return Status(status="Success", code=201)
        return self._create_object(codec.clone(call.body), call.namespace)

    def _update(self, call: Call) -> Any:
        key, old = self._object(call)
        new = codec.clone(call.body)
        asked = new.metadata.resourceVersion
        if asked and asked != old.metadata.resourceVersion:
            raise errors.conflict(call.resource.plural, call.resource.group, call.name, errors.OBJECT_MODIFIED)
        return self._replace(key, old, new, call.subresource)

    def _patch(self, call: Call) -> Any:
        key, old = self._object(call)
        patch = orjson.loads(call.body)
        uid = patch.get("metadata", {}).get("uid")
        if uid is not None and uid != old.metadata.uid:
            raise errors.conflict(call.resource.plural, call.resource.group, call.name, "the UID in the precondition does not match")
        asked = patch.get("metadata", {}).get("resourceVersion")
        if asked and asked != old.metadata.resourceVersion:
            raise errors.conflict(call.resource.plural, call.resource.group, call.name, errors.OBJECT_MODIFIED)
        new = codec.from_dict(_merged(codec.to_dict(old), patch), type(old))
        return self._replace(key, old, new, call.subresource)

    def _delete(self, call: Call) -> Any:
        key, old = self._object(call)
        uid = call.options.precondition_uid
        if uid is not None and uid != old.metadata.uid:
            raise errors.conflict(call.resource.plural, call.resource.group, call.name, "the UID in the precondition does not match")
        finalizers = {"Foreground": ["foregroundDeletion"], "Orphan": ["orphan"]}.get(call.options.propagation_policy, [])
        if not old.metadata.finalizers and not finalizers:
            return self._drop(key)
        new = codec.clone(old)
        new.metadata.finalizers = list(dict.fromkeys([*new.metadata.finalizers, *finalizers]))
        new.metadata.deletionTimestamp = new.metadata.deletionTimestamp or time.now_text(self._clock)
        return self._store(key, new)

    def _deletecollection(self, call: Call) -> ListResult[Any]:
        gone = [obj for obj in self.all(call.resource.type, call.namespace or None) if _selected(obj, call)]
        for obj in gone:
            self._delete(Call("delete", call.resource, obj.metadata.namespace, obj.metadata.name, options=call.options))
        return ListResult(gone, str(self.revision))

    # What stands behind them.

    def _object(self, call: Call) -> tuple[Key, Any]:
        key = (call.resource.type, call.namespace, call.name)
        if key not in self._objects:
            raise errors.not_found(call.resource.plural, call.resource.group, call.name)
        return key, self._objects[key]

    def _create_object(self, obj: Any, namespace: str) -> Any:
        meta: ObjectMeta = obj.metadata
        meta.name = meta.name or meta.generateName + self._entropy.suffix()
        meta.namespace = namespace
        meta.uid = meta.uid or self._entropy.uid()
        meta.creationTimestamp = meta.creationTimestamp or time.now_text(self._clock)
        meta.generation = meta.generation or 1
        key = (type(obj), meta.namespace, meta.name)
        if key in self._objects:
            raise errors.already_exists(type(obj).__name__.lower() + "s", "", meta.name)
        return self._store(key, obj)

    def _replace(self, key: Key, old: Any, new: Any, subresource: str) -> Any:
        if subresource == "status":
            written, new = new, codec.clone(old)
            new.status, new.metadata.annotations = written.status, written.metadata.annotations
        elif hasattr(new, "status") and not subresource:
            new.status = old.status
            if new.spec != old.spec:
                new.metadata.generation = old.metadata.generation + 1
        new.metadata.uid, new.metadata.creationTimestamp = old.metadata.uid, old.metadata.creationTimestamp
        if new.metadata.deletionTimestamp and not new.metadata.finalizers and not getattr(getattr(new, "spec", None), "finalizers", None):
            return self._drop(key)
        new.metadata.resourceVersion = old.metadata.resourceVersion
        return old if new == old else self._store(key, new)

    def _store(self, key: Key, obj: Any) -> Any:
        self.revision += 1
        obj.metadata.resourceVersion = str(self.revision)
        type_ = "MODIFIED" if key in self._objects else "ADDED"
        self._objects[key] = obj
        self._record(key[0], WatchEvent(type_, obj))
        return obj

    def _drop(self, key: Key) -> Any:
        self.revision += 1
        gone = codec.clone(self._objects.pop(key))
        gone.metadata.resourceVersion = str(self.revision)
        self._record(key[0], WatchEvent("DELETED", gone))
        return gone

    def _record(self, kind: type[Any], event: WatchEvent[Any]) -> None:
        change = (self.revision, kind, event)
        self._history.append(change)
        if self._holds(kind):
            assert self._held is not None
            self._held.append(change)
        else:
            self._send(change)

    def _holds(self, kind: type[Any]) -> bool:
        if self._held is None:
            return False
        # What comes after something that is held waits behind it: no watch tells the events of a kind in another order.
        return not self._held_kinds or kind in self._held_kinds or any(held is kind for _, held, _ in self._held)

    def _send(self, change: Change, *, late: bool = False) -> None:
        for queue, after in self._watchers:
            if not late or change[0] > after:  # what was held back while somebody listed is old news to them
                queue.put_nowait(change)

    def _fail_if_ordered(self, call: Call) -> None:
        if (failure := self.intercept(call)) is not None:
            raise failure
        for ordered in self._failures:
            if ordered[1](call):
                self._failures.remove(ordered)
                raise ordered[0]


def too_large(asked: int, current: int) -> StatusError:
    """The server's error for a revision that it has not reached."""
    details = StatusDetails(causes=[StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")])
    return errors.failure(504, "Timeout", f"Timeout: Too large resource version: {asked}, current: {current}", details)


def _selected(obj: Any, call: Call) -> bool:
    """Field selectors on metadata.name and equality label selectors are understood, no others."""
    pairs = [part.split("=", 1) for part in call.options.label_selector.split(",") if part]
    labels: Iterable[bool] = (obj.metadata.labels.get(name.rstrip("=")) == value.lstrip("=") for name, value in pairs)
    name = call.options.field_selector.removeprefix("metadata.name=")
    return all(labels) and name in ("", obj.metadata.name)


def _merged(current: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(current) if isinstance(current, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
