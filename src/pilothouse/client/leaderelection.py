"""Leader election with a Lease.

- Timings are client-go's: a lease lasts 15 s, its holder renews it every 2 s and gives up after 10 s without success.
- Who waits measures the lease by its own clock, from when it saw the lease change: clocks may differ.
- At most one works at a time as long as no process stands still for longer than 15 s - 10 s without noticing.
- Cancelled, the holder lets go, so that another need not wait for the lease to run out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pilothouse.api.types.coordination_v1 import Lease, LeaseSpec
from pilothouse.client.client import Client
from pilothouse.client.events import NORMAL, EventRecorder
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import codec, time
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta

log = logging.getLogger(__name__)

JITTER = 1.2


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds; client-go's defaults."""

    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        assert self.lease_duration > self.renew_deadline > self.retry_period * JITTER > 0


class LeadershipLost(Exception):
    """The lease could not be renewed in time: another may lead by now."""


class LeaderElector:
    """One candidate. `identity` must be unique: host name and uid, as upstream's."""

    def __init__(
        self,
        client: Client,
        name: str,
        identity: str,
        clock: Clock,
        entropy: Entropy,
        *,
        namespace: str = "kube-system",
        timings: Timings | None = None,
        recorder: EventRecorder | None = None,
    ) -> None:
        self.is_leader = False
        self._client = client
        self._name, self._namespace, self._identity = name, namespace, identity
        self._clock = clock
        self._entropy = entropy
        self._timings = timings or Timings()
        self._recorder = recorder
        self._seen: LeaseSpec | None = None
        self._seen_at = 0.0

    async def run(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Wait for the lease, then do `work` for as long as it is held. Raises LeadershipLost when it is not any more; returns when
        the work does."""
        await self._acquire()
        working = asyncio.ensure_future(work())
        renewing = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            else:
                renewing.result()
        finally:
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            held, self.is_leader = self.is_leader, False
            self._tell("stopped leading")
            if held:
                await self._release()

    async def _acquire(self) -> None:
        while not await self._try():
            await self._clock.sleep(self._entropy.jitter(self._timings.retry_period, JITTER))
        self.is_leader = True
        log.info("became leader", extra={"lease": self._name, "identity": self._identity})
        self._tell("became leader")

    def _tell(self, what: str) -> None:
        if self._recorder is not None:
            lease = Lease(metadata=ObjectMeta(name=self._name, namespace=self._namespace))
            self._recorder.event(lease, NORMAL, "LeaderElection", f"{self._identity} {what}")

    async def _renew(self) -> None:
        while True:
            try:
                await wait_for(self._clock, self._renew_once(), self._timings.renew_deadline)
            except TimeoutError as error:
                self.is_leader = False
                raise LeadershipLost(f"{self._identity} could not renew the lease {self._namespace}/{self._name}") from error
            await self._clock.sleep(self._timings.retry_period)

    async def _renew_once(self) -> None:
        while not await self._try():
            await self._clock.sleep(self._timings.retry_period)

    async def _try(self) -> bool:
        """Take or renew the lease; False when it is another's, or nobody answers."""
        try:
            return await self._take()
        except (StatusError, ConnectionError) as error:
            log.info("the lease could not be taken", extra={"lease": self._name, "error": str(error)})
            return False

    async def _take(self) -> bool:
        asked_at, stamp = self._clock.monotonic(), time.micro_text(self._clock)
        wanted = LeaseSpec(
            holderIdentity=self._identity,
            leaseDurationSeconds=int(self._timings.lease_duration),
            acquireTime=stamp,
            renewTime=stamp,
            leaseTransitions=0,
        )
        try:
            lease = await self._client.get(Lease, self._name, self._namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            meta = ObjectMeta(name=self._name, namespace=self._namespace)
            self._see((await self._client.create(Lease(metadata=meta, spec=wanted))).spec)
            return True
        self._see(lease.spec)
        holder = lease.spec.holderIdentity
        lasts = lease.spec.leaseDurationSeconds or self._timings.lease_duration
        if holder and holder != self._identity and self._seen_at + lasts > asked_at:
            return False
        transitions = lease.spec.leaseTransitions or 0
        if holder == self._identity:
            wanted.acquireTime, wanted.leaseTransitions = lease.spec.acquireTime, transitions
        else:
            wanted.leaseTransitions = transitions + 1
        taken = codec.clone(lease)
        taken.spec = wanted
        self._see((await self._client.update(taken)).spec)
        return True

    def _see(self, spec: LeaseSpec) -> None:
        """Note when the lease was seen to change: after the answer, for its holder may have renewed it while the answer was on its way."""
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock.monotonic()

    async def _release(self) -> None:
        try:
            lease = codec.clone(await self._client.get(Lease, self._name, self._namespace))
            if lease.spec.holderIdentity != self._identity:
                return
            stamp = time.micro_text(self._clock)
            transitions = lease.spec.leaseTransitions
            lease.spec = LeaseSpec(leaseDurationSeconds=1, acquireTime=stamp, renewTime=stamp, leaseTransitions=transitions)
            await self._client.update(lease)
        except (StatusError, ConnectionError) as error:
            log.info("the lease could not be released", extra={"lease": self._name, "error": str(error)})
