"""Leases for Events: etcd forgets by itself what was not written again for an hour (`--event-ttl`).

A lease serves all Events of about a minute, CLIENTS_LIMIT at most: granting costs etcd much more than attaching. As upstream's lease
manager (k8s.io/apiserver/pkg/storage/etcd3/lease_manager.go): a lease lives longer by the time in which it is handed out.
"""

from __future__ import annotations

import asyncio

from pilothouse.apiserver.storage.etcd_client import EtcdClient, pb
from pilothouse.kit.clock import Clock

EVENTS = "/registry/events/"
EVENT_SECONDS = 3600
REUSE_SECONDS = 60
REUSE_SHARE = 0.05
"""A lease is handed out for this share of the time to live, or for REUSE_SECONDS where that is less."""
ATTACHED_LIMIT = 1_000


class Leases:
    """Made by `EtcdStorage`."""

    def __init__(self, client: EtcdClient, clock: Clock, seconds: int) -> None:
        self._client = client
        self._clock = clock
        self._seconds = seconds
        self._reuse = int(min(REUSE_SHARE * seconds, REUSE_SECONDS))
        self._lease = 0
        self._until = 0.0
        self._attached = 0
        self._granting = asyncio.Lock()

    async def of_now(self) -> int:
        """The lease of an Event that is written now; 0 where Events stay."""
        if not self._seconds:
            return 0
        async with self._granting:
            now = self._clock.monotonic()
            self._attached += 1
            if now + self._seconds >= self._until or self._attached > ATTACHED_LIMIT:
                seconds = self._seconds + self._reuse
                answer = await self._client.write("LeaseGrant", pb.LeaseGrantRequest(TTL=seconds))
                self._lease, self._until, self._attached = int(answer.ID), now + seconds, 1
            return self._lease
