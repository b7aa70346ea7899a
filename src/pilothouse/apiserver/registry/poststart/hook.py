"""Base of post-start hooks: loops of the API server that keep some objects up to date.

- `seeds` are the objects that it makes where they are missing when the server starts, in one commit with those of all other hooks.
- `reconcile` runs at the start, after every change of one of `kinds`, and RETRY_SECONDS after a failure.
- It looks at everything anew each time: what changes while it runs wakes it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from contextlib import aclosing
from typing import Any, ClassVar

from pilothouse.apiserver.auth.user import APISERVER
from pilothouse.apiserver.registry.bootstrap import BootstrapRegistry
from pilothouse.apiserver.registry.seeding import Seed
from pilothouse.client.call import APPLY_PATCH, Call, Options
from pilothouse.machinery.codec import encode
from pilothouse.machinery.errors import StatusError

log = logging.getLogger(__name__)
RETRY_SECONDS = 10.0


class Hook:
    """A loop of the API server that keeps some objects up to date; subclasses are found by discovery."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[type[Any], ...]]

    def __init__(self, registry: BootstrapRegistry) -> None:
        self.registry = registry
        self.store = registry.store
        self.reconciled = asyncio.Event()
        """Set once `reconcile` has succeeded."""
        self._changed = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None

    def seeds(self) -> Iterable[Seed]:
        """Objects that every cluster has. Called before the server has started, while `store` can be read."""
        return ()

    async def reconcile(self) -> None:
        """Create missing objects, and repair others. Raises StatusError when that fails."""
        raise NotImplementedError

    def wake(self) -> None:
        """Reconcile soon."""
        self._changed.set()

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            for kind in self.kinds:
                self.spawn(self.follow(kind))
            while True:
                await self._changed.wait()
                self._changed.clear()
                try:
                    await self.reconcile()
                    self.reconciled.set()
                except StatusError as error:
                    log.warning("%s failed", self.name, extra={"problem": error.status.message})
                    await self.store.clock.sleep(RETRY_SECONDS)
                    self.wake()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that ends with the hook."""
        assert self._tasks is not None, "the hook does not run"
        return self._tasks.create_task(work, name=self.name)

    def concerns(self, obj: Any) -> bool:
        """Whether a change of this object wakes the hook."""
        return True

    async def follow(self, kind: type[Any]) -> None:
        """Wake the hook at every change of a kind, until cancelled."""
        while True:
            try:
                call = Call("watch", self.store.catalogue.of(kind), options=Options(resource_version=str(self.store.caches.revision)))
                async with aclosing(self.registry.watch(call, APISERVER)) as events:
                    self.wake()
                    async for event in events:
                        if event.entry is not None and self.concerns(event.entry.object):
                            self.wake()
            except StatusError:
                await self.store.clock.sleep(RETRY_SECONDS)

    async def write(self, verb: str, obj: Any, *, subresource: str = "", manager: str = "") -> None:
        """Create, update or delete an object as the API server. A conflict is ignored: the conflicting change wakes the hook."""
        meta = obj.metadata
        name = meta.name if verb != "create" else ""
        body = obj if verb != "delete" else None
        options = Options(field_manager=manager)
        await self._tolerant(Call(verb, self.store.catalogue.of(type(obj)), meta.namespace, name, subresource, body, options=options))

    async def apply_status(self, kind: type[Any], name: str, status: Any, *, manager: str) -> None:
        """Apply fields of the status of a cluster-wide object."""
        resource = self.store.catalogue.of(kind)
        said = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, "status": status}
        options = Options(field_manager=manager, force=True)
        await self._tolerant(Call("patch", resource, "", name, "status", encode(said), APPLY_PATCH, options))

    async def _tolerant(self, call: Call) -> None:
        try:
            await self.registry.execute(call, APISERVER)
        except StatusError as error:
            if error.reason not in ("Conflict", "NotFound", "AlreadyExists"):
                raise
