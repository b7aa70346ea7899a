"""Runs one controller: events to keys, keys to plans, plans to the executor.

- Workers start when every cache that the controller reads has its first list.
- One key is planned by one worker at a time, and not before the caches show what its last plan did.
- After a failure the key comes back with growing delays; a failed create or delete is told to one more plan, of which only the
  status is written, so that conditions can name it.
- After a create that nobody answered the server is asked what it made of it, so that nothing is made twice.
- A plan that raises is a bug of that controller: it is logged with its traceback, and the key comes back with back-off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pilothouse.client.client import Client
from pilothouse.client.events import EventRecorder
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.client.store import Key, Store, controller_uid, index_name, key_of
from pilothouse.client.workqueue import WorkQueue
from pilothouse.controllers.framework.actions import Action, Create, Delete, Failure, UpdateStatus
from pilothouse.controllers.framework.controller import Controller, Notes, Owned, OwnStatus, Reads, Related
from pilothouse.controllers.framework.executor import Executor, Failed
from pilothouse.controllers.framework.expectations import TIMEOUT_SECONDS, Expectations
from pilothouse.controllers.framework.owners import controlled_by, controller_of
from pilothouse.controllers.framework.settings import Settings
from pilothouse.controllers.framework.world import World, orphans_by_namespace
from pilothouse.kit.clock import Clock, MonotonicTime
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.errors import StatusError

log = logging.getLogger(__name__)


@dataclass
class Context:
    """Shared by all controllers of a process."""

    client: Client
    informers: Informers
    clock: Clock
    entropy: Entropy
    settings: Settings = field(default_factory=Settings)


class Runner:
    """Work queue and workers of one controller."""

    def __init__(self, controller: Controller, context: Context) -> None:
        self.controller = controller
        self.queue: WorkQueue[Key] = WorkQueue(context.clock)
        self._clock = context.clock
        self._steady = MonotonicTime(context.clock)
        self._settings = context.settings
        kinds = [controller.reconciles, *(watch.kind for watch in controller.watches)]
        self._informers: dict[type[Any], Informer[Any]] = {kind: context.informers.of(kind) for kind in kinds}
        self._store: Store[Any] = self._informers[controller.reconciles].store
        source = controller.source or f"{controller.name}-controller"
        self._recorder = EventRecorder(context.client, source, context.clock, context.entropy)
        self._expectations = Expectations(self._informers.get, self.queue.add)
        self._executor = Executor(context.client, self._recorder, self._expectations, self._informers.get)
        self._context = context
        self._memory: dict[Key, dict[str, Any]] = {}
        self._shared: dict[str, Any] = {}
        self._unanswered: dict[Key, set[type[Any]]] = {}

    async def run(self) -> None:
        """Subscribe to the watches and work through the queue until cancelled."""
        self._subscribe()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run(), name=f"{self.controller.name} events")
            group.create_task(self.queue.run(), name=f"{self.controller.name} delays")
            for informer in self._informers.values():
                await informer.synced.wait()
            for number in range(self.controller.workers):
                group.create_task(self._work(), name=f"{self.controller.name} worker {number}")

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self.reconcile(key)
            finally:
                self.queue.done(key)

    async def reconcile(self, key: Key) -> None:
        """Plan for one key and execute the plan."""
        if key in self._unanswered and not await self._find_out(key):
            return
        if not self._expectations.satisfied(key):
            since = self.world(key).seen_since("expectations", True)
            left = TIMEOUT_SECONDS - (self._steady.now() - since).total_seconds()
            if left > 0:
                self.queue.add_after(key, left)
                return
            self._expectations.forget(key)
        self._memory.get(key, {}).pop("expectations", None)
        try:
            again = await self._executor.execute(key, await self._plan(key))
        except Failed as failed:
            await self._after_failure(key, failed.failure)
        except (StatusError, ConnectionError, TimeoutError) as error:  # of `observe`
            log.info("the API server did not answer", extra={"controller": self.controller.name, "key": key, "error": str(error)})
            self.queue.add_rate_limited(key)
        except Exception:
            log.exception("a plan failed: %s %s", self.controller.name, key)
            self.queue.add_rate_limited(key)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)

    async def _find_out(self, key: Key) -> bool:
        """A create was sent and no answer came: what it may have made is looked for at the server and waited for in the cache."""
        owner = self._store.get(*key)
        try:
            for kind in self._unanswered[key] if owner is not None else ():
                for item in (await self._context.client.list(kind, key[0])).items:
                    if controlled_by(item, owner):
                        self._expectations.expect(key, item)
        except (StatusError, ConnectionError):
            self.queue.add_rate_limited(key)
            return False
        del self._unanswered[key]
        return True

    def world(self, key: Key, failure: Failure | None = None, observed: Any = None) -> World:
        """The snapshot for a plan of this key."""
        return World(
            self._store_of,
            self._clock.now(),
            settings=self._settings,
            failure=failure,
            memory=self._memory.setdefault(key, {}),
            shared=self._shared,
            observed=observed,
            steady=self._steady.now(),
        )

    async def _plan(self, key: Key, failure: Failure | None = None) -> list[Action]:
        obj = self._store.get(*key)
        if obj is not None:
            observed = await self.controller.observe(obj, self._context)
            return [*self.controller.plan(obj, self.world(key, failure, observed))]
        actions = [*self.controller.plan_gone(key, self.world(key, failure))]
        self._memory.pop(key, None)
        self._executor.statuses.pop(key, None)
        self._expectations.forget(key)
        return actions

    async def _after_failure(self, key: Key, failure: Failure) -> None:
        log.info(
            "an action failed",
            extra={"controller": self.controller.name, "key": key, "action": type(failure.action).__name__, "error": failure.message},
        )
        self.queue.add_rate_limited(key)
        if not isinstance(failure.action, (Create, Delete)):
            return
        if isinstance(failure.action, Create) and isinstance(failure.error, ConnectionError):
            self._unanswered.setdefault(key, set()).add(type(failure.action.object))
        try:
            await self._executor.execute(key, [action for action in await self._plan(key, failure) if isinstance(action, UpdateStatus)])
        except (Failed, StatusError, ConnectionError) as error:
            log.info("the status could not be written", extra={"controller": self.controller.name, "key": key, "error": str(error)})

    def _store_of(self, kind: type[Any]) -> Store[Any]:
        informer = self._informers.get(kind)
        if informer is None:
            raise LookupError(f"{self.controller.name} reads {kind.__name__} but does not declare it in `watches`")
        return informer.store

    def add_watch(self, watch: Related) -> None:
        """Watch one more kind."""
        self._informers[watch.kind] = informer = self._context.informers.of(watch.kind)
        informer.subscribe(self._on_related(watch))

    def drop_kind(self, kind: type[Any]) -> None:
        """Stop watching a kind."""
        self._informers.pop(kind, None)
        self._context.informers.forget(kind)

    # What wakes a key.

    def _subscribe(self) -> None:
        self._informers[self.controller.reconciles].subscribe(self._on_own)
        for watch in self.controller.watches:
            informer = self._informers[watch.kind]
            if isinstance(watch, Owned):
                informer.add_index(index_name(controller_uid), controller_uid)
                informer.add_index(index_name(orphans_by_namespace), orphans_by_namespace)
                informer.subscribe(self._on_owned(watch))
            elif isinstance(watch, Related):
                informer.subscribe(self._on_related(watch))
            elif isinstance(watch, Notes):
                informer.subscribe(self._on_noted(watch))
            else:
                assert isinstance(watch, Reads)

    def _on_own(self, type_: str, old: Any, new: Any) -> None:
        if old is not None and new is not None and old.metadata.uid != new.metadata.uid:
            self._expectations.forget(key_of(old))
        if old is not None and new is not None and not self._calls_for_plan(old, new):
            return
        if any(self.controller.concerns(obj) for obj in (old, new) if obj is not None):
            self.queue.add(key_of(new if new is not None else old))

    def _calls_for_plan(self, old: Any, new: Any) -> bool:
        how = self.controller.own_status
        if how is OwnStatus.PLAN or not _same_but_status(old, new):
            return True
        return how is OwnStatus.REPAIR and self._executor.statuses.get(key_of(new)) != (new.metadata.uid, new.status)

    def _on_owned(self, watch: Owned) -> Callable[[str, Any, Any], None]:
        kind = self.controller.reconciles.__name__

        def wake(type_: str, old: Any, new: Any) -> None:
            for obj in (old, new):
                if obj is None:
                    continue
                reference = controller_of(obj)
                if reference is not None:
                    if reference.kind == kind:
                        self._wake_owner(obj.metadata.namespace, reference.name, reference.uid)
                elif watch.selector is not None and obj is new:
                    self._wake(self._claimants(watch, old, new))

        return wake

    def _wake_owner(self, namespace: str, name: str, uid: str) -> None:
        owner = self._store.get(namespace, name)
        if owner is not None and owner.metadata.uid == uid:
            self.queue.add((namespace, name))

    def _claimants(self, watch: Owned, old: Any, new: Any) -> Iterable[Key]:
        """Owners that may adopt a new orphan, or one whose labels or owners have changed."""
        unchanged = old is not None and old.metadata.labels == new.metadata.labels and controller_of(old) is None
        if unchanged or new.metadata.deletionTimestamp:
            return
        for owner in self._store.list(new.metadata.namespace):
            if watch.selector is not None and watch.selector(owner).matches(new.metadata.labels):
                yield key_of(owner)

    def _on_related(self, watch: Related) -> Callable[[str, Any, Any], None]:
        def wake(type_: str, old: Any, new: Any) -> None:
            if old is None and not watch.creations:
                return
            if old is not None and new is not None and not watch.matters(old, new):
                return
            world = World(self._store_of, self._clock.now(), settings=self._settings, steady=self._steady.now())
            for obj in (old, new):
                if obj is not None:
                    self._wake(watch.keys(obj, world))

        return wake

    def _on_noted(self, watch: Notes) -> Callable[[str, Any, Any], None]:
        return lambda type_, old, new: watch.note(old, new, self._shared, self._steady.now())

    def _wake(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.queue.add(key)


def _same_but_status(old: Any, new: Any) -> bool:
    """Two states of an object for which a plan that does not look at its status gives the same."""
    before, after = old.metadata, new.metadata
    return bool(
        before.uid == after.uid
        and before.generation == after.generation
        and before.labels == after.labels
        and before.annotations == after.annotations
        and before.ownerReferences == after.ownerReferences
        and before.deletionTimestamp == after.deletionTimestamp
        and before.finalizers == after.finalizers
    )
