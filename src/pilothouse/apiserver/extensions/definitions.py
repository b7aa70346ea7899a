"""Definitions: follows the CustomResourceDefinitions of a cluster, serves their kinds and writes their status.

- A kind is served as soon as its names are accepted, before the condition Established says so; of definitions in the store, before
  the API server is ready.
- A definition that changes what is served of a kind ends the watches of it, and its cache is read anew.
- Every API server serves what the status of the definitions says; whoever is first writes it.
- What fails is tried again after RETRY_SECONDS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.api.apiextensions.conditions import CLEANUP_FINALIZER, TERMINATING, is_served, is_true
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.apiserver.cache.caches import Caches
from pilothouse.apiserver.cache.event import DELETED, CacheEvent
from pilothouse.apiserver.cache.selection import Selection
from pilothouse.apiserver.cache.watch import Watch
from pilothouse.apiserver.extensions.cleanup import Cleanup, Empty
from pilothouse.apiserver.extensions.converter import Calling, WebhookConverter
from pilothouse.apiserver.extensions.kinds import resources_of
from pilothouse.apiserver.extensions.status import status_after, status_call
from pilothouse.client.call import Call
from pilothouse.kit.clock import Clock
from pilothouse.machinery import access, time
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.resource import Resource

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
PASSING = ("Conflict", "NotFound")
"""Why a status may not be written: the definition has changed or gone, of which an event tells."""

Execute = Callable[[Call], Awaitable[Any]]


@dataclass(slots=True)
class Served:
    """What is served of a definition, and the generation it was made from."""

    definition: CustomResourceDefinition
    stored: Resource[Any]
    resources: tuple[Resource[Any], ...]

    def fits(self, definition: CustomResourceDefinition) -> bool:
        """Whether the same is to be served of another state of the definition."""
        mine = self.definition
        return (mine.metadata.uid, mine.spec, mine.status.acceptedNames) == (
            definition.metadata.uid,
            definition.spec,
            definition.status.acceptedNames,
        )


class Definitions:
    """Serves the kinds of CustomResourceDefinitions. One per registry."""

    def __init__(self, catalogue: Catalogue, caches: Caches, clock: Clock, *, execute: Execute, empty: Empty, calling: Calling) -> None:
        """`execute` makes calls as the API server itself; `empty` deletes all objects of a resource in a namespace.

        `calling` is how conversion webhooks are called.
        """
        self._calling = calling
        self._catalogue = catalogue
        self._caches = caches
        self._execute = execute
        self._clock = clock
        self._definitions: dict[str, CustomResourceDefinition] = {}
        self._served: dict[str, Served] = {}
        self._watch: Watch | None = None
        self._waiting: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._cleanup = Cleanup(execute, empty, caches, clock, self._resource_of)

    async def start(self) -> None:
        """Return when the kinds of all definitions in the store are served."""
        resource = self._catalogue.of(CustomResourceDefinition)
        cache = await self._caches.of(resource)
        self._watch = Watch(Selection(cache.prefix))
        cache.watch(self._watch)
        for definition in cache.objects():
            self._see(definition)

    async def run(self) -> None:
        """Follow the definitions until cancelled; `start` must have returned."""
        assert self._watch is not None
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write_statuses(), name="statuses of definitions")
            group.create_task(self._cleanup.run(), name="clean-up of definitions")
            while batch := await self._watch.batch():
                for event in batch:
                    self._follow(event)

    def _follow(self, event: CacheEvent) -> None:
        if event.type == DELETED:
            self._forget(event.entry.name)
        else:
            self._see(event.entry.object)

    def _see(self, definition: CustomResourceDefinition) -> None:
        """A definition that is new or has changed."""
        name = definition.metadata.name
        self._definitions[name] = definition
        if is_served(definition):
            self._serve(definition)
        self._wake(name)
        if definition.metadata.deletionTimestamp and CLEANUP_FINALIZER in definition.metadata.finalizers:
            self._cleanup.add(definition)

    def _forget(self, name: str) -> None:
        """A definition that is gone: its names are free for others of its group."""
        gone = self._definitions.pop(name, None)
        self._withdraw(name)
        if gone is not None:
            self._wake(*(other.metadata.name for other in self._group(gone)))

    def _serve(self, definition: CustomResourceDefinition) -> None:
        name = definition.metadata.name
        known = self._served.get(name)
        if known is not None and known.fits(definition):
            known.definition = definition  # the cache's own, so that no other is kept
            self._mark_terminating(known, definition)
            return
        self._withdraw(name)
        conversion = definition.spec.conversion
        is_webhook = conversion is not None and conversion.strategy == "Webhook"
        resources = resources_of(definition, WebhookConverter(definition, self._calling) if is_webhook else None)
        added: list[Resource[Any]] = []
        for resource in resources:
            if not resource.is_served:
                continue
            try:
                self._catalogue.add(resource)
                added.append(resource)
            except ValueError as taken:  # a built-in kind has the name: it goes before
                log.warning("a custom resource is not served", extra={"definition": name, "problem": str(taken)})
                resource.is_served = False
        self._served[name] = Served(definition, resources[0], tuple(added))
        self._mark_terminating(self._served[name], definition)

    def _mark_terminating(self, served: Served, definition: CustomResourceDefinition) -> None:
        """Of a definition that is being deleted nothing is created any more; discovery tells so when its condition does."""
        is_terminating = bool(definition.metadata.deletionTimestamp) or is_true(definition, TERMINATING)
        if is_terminating != served.stored.is_terminating:
            for resource in served.stored.versions:
                resource.is_terminating = is_terminating
            self._catalogue.refresh()

    def _withdraw(self, name: str) -> None:
        known = self._served.pop(name, None)
        for resource in known.resources if known is not None else ():
            self._catalogue.remove(resource)

    def _resource_of(self, name: str) -> Resource[Any] | None:
        """The stored form of what is served of a definition."""
        known = self._served.get(name)
        return known.stored if known is not None and known.resources else None

    def _group(self, definition: CustomResourceDefinition) -> Iterator[CustomResourceDefinition]:
        return (other for other in self._definitions.values() if other.spec.group == definition.spec.group)

    def _wake(self, *names: str) -> None:
        self._waiting.update(dict.fromkeys(names))
        self._woken.set()

    async def _write_statuses(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            failed = [name for name in self._taken() if not await self._write_status(name)]
            if failed:
                await self._clock.sleep(RETRY_SECONDS)
                self._wake(*failed)

    def _taken(self) -> Sequence[str]:
        names, self._waiting = tuple(self._waiting), {}
        return names

    async def _write_status(self, name: str) -> bool:
        """Bring the status of a definition up to date; whether that need not be tried again."""
        definition = self._definitions.get(name)
        if definition is None:
            return True
        others = list(self._group(definition))
        status = status_after(definition, others, time.now_text(self._clock))
        if status is None:
            return True
        wanted = access.with_parts(definition, status=status)
        if is_served(wanted):
            self._serve(wanted)
        try:
            written = await self._execute(status_call(self._catalogue.of(CustomResourceDefinition), wanted))
        except StatusError as error:
            if error.reason not in PASSING:
                log.warning("the status of a definition cannot be written", extra={"definition": name, "problem": error.status.message})
            return error.reason in PASSING
        self._definitions[name] = written.object
        if status.acceptedNames != definition.status.acceptedNames:
            self._wake(*(other.metadata.name for other in others if other is not definition))
        return True
