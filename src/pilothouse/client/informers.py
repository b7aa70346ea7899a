"""Shared informers: one for each kind in a process.

- `of(kind)` gives the same informer every time; asking is allowed before and while `run()` runs.
- A kind that is served no longer is forgotten (`forget`).
- `run()` runs them all until it is cancelled; `wait_synced()` returns when each that was asked for has its first list.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy

T = TypeVar("T")


class Informers:
    """Shared informers of one process, by kind."""

    def __init__(self, client: Client, clock: Clock, entropy: Entropy | None = None) -> None:
        self._client = client
        self._clock = clock
        self._entropy = entropy or Entropy()
        self._informers: dict[tuple[type[Any], str, str], Informer[Any]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[Informer[Any], asyncio.Task[None]] = {}

    def of(self, kind: type[T], *, namespace: str = "", field_selector: str = "") -> Informer[T]:
        """The informer of a kind, or of the part of it in one namespace or with one field selector."""
        key = (kind, namespace, field_selector)
        informer = self._informers.get(key)
        if informer is None:
            informer = Informer(
                self._client, kind, clock=self._clock, entropy=self._entropy, namespace=namespace, field_selector=field_selector
            )
            self._informers[key] = informer
            if self._group is not None:
                self._start(informer)
        return informer

    def forget(self, kind: type[Any]) -> None:
        """End the informers of a kind that is served no longer."""
        for key in [key for key in self._informers if key[0] is kind]:
            task = self._running.pop(self._informers.pop(key), None)
            if task is not None:
                task.cancel()

    async def run(self) -> None:
        """Run every informer, also those that are added later, until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for informer in self._informers.values():
                self._start(informer)
            await asyncio.Event().wait()

    async def wait_synced(self) -> None:
        """Every informer known now has listed once."""
        for informer in [*self._informers.values()]:
            await informer.synced.wait()

    def _start(self, informer: Informer[Any]) -> None:
        assert self._group is not None
        self._running[informer] = self._group.create_task(informer.run(), name=f"informer of {informer.kind.__name__}")
