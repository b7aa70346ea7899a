"""Clean-up: removes the instances of a definition that is being deleted, and then its finalizer.

- Definitions are worked off side by side, each once at a time; what fails is tried again after RETRY_SECONDS.
- The condition Terminating tells how far it is; instances with finalizers are waited for.

Upstream: the CRD finalizer of apiextensions-apiserver (pkg/controller/finalizer).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from pilothouse.api.apiextensions.conditions import (
    CLEANUP_FINALIZER,
    ESTABLISHED,
    FALSE,
    TERMINATING,
    TRUE,
    Condition,
    condition,
    is_true,
    with_condition,
)
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.apiserver.cache.caches import Caches
from pilothouse.apiserver.extensions.status import status_call
from pilothouse.client.call import Call
from pilothouse.kit.clock import Clock
from pilothouse.machinery import time
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.resource import Resource

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
POLL_SECONDS = 0.5
POLLS = 120
"""A minute: then the condition says that instances are left, and all begins again."""

Execute = Callable[[Call], Awaitable[Any]]
Empty = Callable[[Resource[Any], str], Awaitable[None]]
"""Deletes all objects of a resource in a namespace, past admission."""
IN_PROGRESS = condition(TERMINATING, TRUE, "InstanceDeletionInProgress", "CustomResource deletion is in progress")
COMPLETED = condition(TERMINATING, FALSE, "InstanceDeletionCompleted", "removed all instances")
NEVER_ESTABLISHED = condition(TERMINATING, FALSE, "NeverEstablished", "resource was never established")
TIMED_OUT = "could not confirm zero CustomResources remaining: timed out waiting for the condition"


class Cleanup:
    """Deletes the instances of terminating definitions. `resource_of` gives the storage version that a definition, by name, serves."""

    def __init__(
        self, execute: Execute, empty: Empty, caches: Caches, clock: Clock, resource_of: Callable[[str], Resource[Any] | None]
    ) -> None:
        self._execute = execute
        self._empty = empty
        self._caches = caches
        self._clock = clock
        self._resource_of = resource_of
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._early: dict[str, CustomResourceDefinition] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            for definition in self._early.values():
                self.add(definition)
            self._early.clear()
            await asyncio.Event().wait()

    def add(self, definition: CustomResourceDefinition) -> None:
        """A definition that is to go; nothing happens while it is worked on already."""
        name = definition.metadata.name
        if self._tasks is None:
            self._early[name] = definition
        elif name not in self._running:
            self._running[name] = task = self._tasks.create_task(self._clean(definition), name=f"clean-up of {name}")
            task.add_done_callback(lambda _: self._running.pop(name, None))

    async def _clean(self, definition: CustomResourceDefinition) -> None:
        name = definition.metadata.name
        while not await self._try(name):
            await self._clock.sleep(RETRY_SECONDS)

    async def _try(self, name: str) -> bool:
        """One attempt; whether it was the last."""
        try:
            definition = await self._execute(Call("get", self._resource, "", name))
            return await self._end(definition.object)
        except StatusError as error:
            if error.reason == "NotFound":
                return True
            if error.reason != "Conflict":
                log.warning("a definition cannot be cleaned up", extra={"definition": name, "problem": error.status.message})
            return False

    async def _end(self, definition: CustomResourceDefinition) -> bool:
        meta = definition.metadata
        if not meta.deletionTimestamp or CLEANUP_FINALIZER not in meta.finalizers:
            return True
        definition = await self._write(definition, IN_PROGRESS)
        if is_true(definition, ESTABLISHED):
            outcome = await self._remove_instances(meta.name)
        else:
            outcome = NEVER_ESTABLISHED
        if outcome.status == TRUE:
            await self._write(definition, outcome)
            return False
        finalizers = [finalizer for finalizer in definition.metadata.finalizers if finalizer != CLEANUP_FINALIZER]
        await self._write(definition, outcome, finalizers)
        return True

    async def _remove_instances(self, name: str) -> Condition:
        """Delete all instances and wait until they have gone; what the condition Terminating is to say then."""
        resource = self._resource_of(name)
        if resource is None:
            return COMPLETED
        cache = await self._caches.of(resource)
        try:
            for namespace in sorted({entry.namespace for entry in cache.entries()}):
                await self._empty(resource, namespace)
        except StatusError as error:
            return condition(TERMINATING, TRUE, "InstanceDeletionFailed", f"could not issue all deletes: {error.status.message}")
        for _ in range(POLLS):
            if next(cache.entries(), None) is None:
                return COMPLETED
            await self._clock.sleep(POLL_SECONDS)
        return condition(TERMINATING, TRUE, "InstanceDeletionCheck", TIMED_OUT)

    async def _write(
        self, definition: CustomResourceDefinition, outcome: Condition, finalizers: list[str] | None = None
    ) -> CustomResourceDefinition:
        status, metadata = definition.status, definition.metadata
        conditions = with_condition(status.conditions, outcome, time.now_text(self._clock))
        if finalizers is not None:
            metadata = replace(metadata, finalizers=finalizers)
        made = replace(definition, metadata=metadata, status=replace(status, conditions=conditions))
        written = await self._execute(status_call(self._resource, made))
        updated: CustomResourceDefinition = written.object
        return updated

    @property
    def _resource(self) -> Resource[CustomResourceDefinition]:
        return self._caches.catalogue.of(CustomResourceDefinition)
