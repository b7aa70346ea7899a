"""Aggregator: everything about extension API servers that an API server needs, wired. `run` follows them until cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pilothouse.api.types.apiregistration_v1 import APIService
from pilothouse.apiserver.aggregation.availability import discovery_problem
from pilothouse.apiserver.aggregation.backends import Backends
from pilothouse.apiserver.aggregation.discovery import RemoteDiscovery
from pilothouse.apiserver.aggregation.extensions import Extensions
from pilothouse.apiserver.aggregation.proxy import proxy
from pilothouse.apiserver.aggregation.tls import FrontProxy
from pilothouse.apiserver.auth.user import APISERVER
from pilothouse.apiserver.http.request import Handler
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock, SystemClock, wait_for

if TYPE_CHECKING:
    from pilothouse.apiserver.registry.registry import Registry


FIRST_SECONDS = 5.0
"""How long a server that starts waits for what extension API servers say they serve: they answer in the machine's own time."""


class Aggregator:
    """Aggregation of extension API servers. One per API server."""

    def __init__(self, registry: Registry, clock: Clock, front_proxy: FrontProxy | None) -> None:
        client = Client(registry.transport(APISERVER))
        self._is_known = registry.catalogue.by_kind(*APIService.GVK) is not None
        self.extensions = Extensions(client, clock)
        self.backends = Backends(registry.store.service_address, front_proxy)
        self.discovery = RemoteDiscovery(self.extensions, self.backends, clock)
        self.is_ready = not self._is_known
        """Whether what the APIServices of the store lead to is served, and its discovery known where it could be had."""
        registry.store.extension_discovery = partial(discovery_problem, self.backends)

    def serves(self, group: str, version: str) -> bool:
        """Whether an extension API server answers for a group and version."""
        return self.extensions.of(group, version) is not None

    def handler_of(self, group: str, version: str) -> Handler | None:
        """Handler of requests for a group and version; None when this server serves it."""
        extension = self.extensions.of(group, version)
        return None if extension is None else lambda request: proxy(request, extension, self.backends)

    async def run(self) -> None:
        """Follow the extension API servers until cancelled."""
        if not self._is_known:
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.extensions.run(), name="APIServices")
                group.create_task(self.discovery.run(), name="discovery of extension API servers")
                await self.extensions.synced.wait()
                with suppress(TimeoutError):
                    await wait_for(SystemClock(), self.discovery.asked.wait(), FIRST_SECONDS)
                self.is_ready = True
        finally:
            await self.backends.close()
