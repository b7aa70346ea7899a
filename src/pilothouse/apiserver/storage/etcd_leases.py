"""Leases: etcd forgets by itself Events that were not written again for an hour (`--event-ttl`), and API servers that are gone.

A lease serves all Events of about a minute, ATTACHED_LIMIT at most: granting costs etcd much more than attaching. As upstream's lease
manager (k8s.io/apiserver/pkg/storage/etcd3/lease_manager.go): a lease lives longer by the time in which it is handed out.
"""

from __future__ import annotations

import asyncio

from pilothouse.apiserver.storage.etcd_client import EtcdClient, pb
from pilothouse.apiserver.storage.interface import MASTER_LEASES
from pilothouse.kit.clock import Clock

EVENTS = "/registry/events/"
EVENT_SECONDS = 3600
API_SERVER_SECONDS = 15
"""How long an API server counts that does not say again that it is there; upstream's DefaultEndpointReconcilerTTL."""
REUSE_SECONDS = 60
REUSE_PART = 20
"""A lease is handed out for this part of the time to live (a twentieth), or for REUSE_SECONDS where that is less."""
ATTACHED_LIMIT = 1_000


class Leases:
    """Of all keys of one store. Made by `EtcdStorage`."""

    def __init__(self, client: EtcdClient, clock: Clock, event_seconds: int) -> None:
        self._by_prefix = {
            EVENTS: SharedLease(client, clock, event_seconds),
            MASTER_LEASES: SharedLease(client, clock, API_SERVER_SECONDS),
        }

    async def of(self, key: str) -> int:
        """The lease with which a key is written; 0 for one that stays."""
        for prefix, lease in self._by_prefix.items():
            if key.startswith(prefix):
                return await lease.of_now()
        return 0


class SharedLease:
    """The lease of what has the same time to live, granted anew as needed."""

    def __init__(self, client: EtcdClient, clock: Clock, seconds: int) -> None:
        self._client = client
        self._clock = clock
        self._seconds = seconds
        self._reuse = min(seconds // REUSE_PART, REUSE_SECONDS)
        self._lease = 0
        self._until = 0.0
        self._attached = 0
        self._granting = asyncio.Lock()

    async def of_now(self) -> int:
        """The lease of what is written now; 0 where it stays."""
        if not self._seconds:
            return 0
        async with self._granting:
            now = self._clock.monotonic()
            self._attached += 1
            if now + self._seconds >= self._until or self._attached > ATTACHED_LIMIT:
                seconds = self._seconds + self._reuse
                answer = await self._client.write("LeaseGrant", pb.LeaseGrantRequest(TTL=seconds))
                self._lease, self._until, self._attached = answer.ID, now + seconds, 1
            return self._lease
