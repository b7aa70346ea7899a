"""Endpoints of the Service `kubernetes` when several API servers share a store, by upstream's master leases.

Each writes its address below `masterleases` every REFRESH_SECONDS; the store forgets it a little later. What is there then are the
endpoints. As upstream's lease reconciler (pkg/controlplane/reconcilers/lease.go).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace

from pilothouse.api.types.core_v1 import EndpointAddress, Endpoints, EndpointSubset
from pilothouse.apiserver.registry import bootstrap
from pilothouse.apiserver.storage.interface import MASTER_LEASES, CompareFailed, StorageFailed
from pilothouse.kit.clock import wait_for
from pilothouse.machinery.codec import encode
from pilothouse.machinery.errors import StatusError

log = logging.getLogger(__name__)

REFRESH_SECONDS = 10.0
LEAVE_SECONDS = 2.0


class MasterLeases:
    """Master lease of one API server at the addresses of its settings. `store.settings` gets the addresses of all."""

    def __init__(self, registry: bootstrap.BootstrapRegistry) -> None:
        self._registry = registry
        self._store = registry.store
        self._own = registry.store.settings.api_addresses

    async def announce(self) -> None:
        """Renew this server's lease, and read those of the others. Raises StorageFailed."""
        storage = self._store.storage
        for address in self._own:
            await storage.commit(MASTER_LEASES + address, lease_of(address), None)
        there = tuple(item.key.removeprefix(MASTER_LEASES) for item in (await storage.range(MASTER_LEASES)).items)
        self._store.settings = replace(self._store.settings, api_addresses=there)

    async def run(self) -> None:
        """Keep lease and endpoints up to date until cancelled; then remove the lease."""
        try:
            while True:
                await self._store.clock.sleep(REFRESH_SECONDS)
                try:
                    await self.announce()
                    await bootstrap.write_endpoints(self._registry)
                except (StatusError, StorageFailed) as error:
                    log.warning("the endpoints of kubernetes could not be written: %s", error)
        finally:
            await self._leave()

    async def _leave(self) -> None:
        with suppress(CompareFailed, StorageFailed, TimeoutError):
            for address in self._own:
                await wait_for(self._store.clock, self._store.storage.commit(MASTER_LEASES + address, None, None), LEAVE_SECONDS)


def lease_of(address: str) -> bytes:
    """Value of a master lease, in upstream's format."""
    return encode(Endpoints(subsets=[EndpointSubset(addresses=[EndpointAddress(ip=address)])]))
