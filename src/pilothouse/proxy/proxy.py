"""Service proxy: keeps a node's packet rules in line with Services and EndpointSlices.

- Nothing is put in place before both caches have synced, and then everything in one step.
- A change costs by what changed; changes that come together go together.
- Rules that somebody else took away are put back at once; the kernel tells, nothing is polled.
- A backend that fails is tried again from scratch, with back-off; what was in place until then stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Service
from pilothouse.api.types.discovery_v1 import EndpointSlice
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.machinery import time as times
from pilothouse.proxy import conntrack
from pilothouse.proxy.backends.interface import Backend, BackendError
from pilothouse.proxy.healthcheck import Check, HealthChecks
from pilothouse.proxy.metrics import Metrics
from pilothouse.proxy.planner import PortKey, PortPlan, health_check_of, plan_service

log = logging.getLogger(__name__)

NOT_OURS = f"!{wellknown.HEADLESS},!service.kubernetes.io/service-proxy-name"
BY_SERVICE = "service"
FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 30.0

Name = tuple[str, str]


def service_of(slice_: EndpointSlice) -> str:
    """`namespace/name` of the Service that a slice belongs to."""
    return f"{slice_.metadata.namespace}/{slice_.metadata.labels.get(wellknown.SERVICE_NAME, '')}"


def trigger_of(slice_: EndpointSlice | None) -> float:
    """Time of the EndpointSlice's last change trigger, in seconds since the epoch; 0 when it is not set."""
    text = slice_.metadata.annotations.get(wellknown.LAST_CHANGE_TRIGGER_TIME, "") if slice_ is not None else ""
    try:
        return times.parse(text).timestamp() if text else 0.0
    except ValueError:
        return 0.0


class Proxy:
    """Service proxy of one node. `node_name` decides which endpoints are local; the backend knows the node's addresses."""

    def __init__(self, client: Client, node_name: str, node_ips: Sequence[str], backend: Backend, clock: Clock) -> None:
        self.synced = asyncio.Event()
        """Set while the rules are as the cache says."""
        self.metrics = Metrics()
        self._node_name = node_name
        self._node_ips = tuple(node_ips)
        self._backend = backend
        self._clock = clock
        self._health = HealthChecks(self._node_ips, clock, self.synced.is_set)
        self._services = Informer(client, Service, clock=clock, label_selector=NOT_OURS)
        self._slices = Informer(client, EndpointSlice, clock=clock, label_selector=NOT_OURS)
        self._slices.add_index(BY_SERVICE, lambda endpoint_slice: [service_of(endpoint_slice)])
        self._changed: set[Name] = set()
        self._awake = asyncio.Event()
        self._plans: dict[Name, dict[PortKey, PortPlan]] = {}
        self._triggers: list[float] = []
        self._begun = clock.now().timestamp()
        self._whole = True
        self._failures = 0

    async def run(self) -> None:
        """Follow Services and EndpointSlices and keep the rules, until cancelled."""
        self._services.subscribe(self._service_event)
        self._slices.subscribe(self._slice_event)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._services.run(), name="services")
            group.create_task(self._slices.run(), name="endpointslices")
            await self._services.synced.wait()
            await self._slices.synced.wait()
            group.create_task(self._guard(), name="guard")
            group.create_task(self._health.run(), name="health checks")
            await self._follow()

    def _service_event(self, _: str, old: Service | None, new: Service | None) -> None:
        service = new or old
        assert service is not None
        self.metrics.service_changes += 1
        self.metrics.service_changes_pending += 1
        self._note((service.metadata.namespace, service.metadata.name))

    def _slice_event(self, _: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self.metrics.endpoint_changes += 1
        self.metrics.endpoint_changes_pending += 1
        moment = trigger_of(new)
        if moment > self._begun and moment != trigger_of(old):  # what happened before was nobody's to put in place
            self._triggers.append(moment)
        for slice_ in (old, new):
            if slice_ is not None:
                self._note((slice_.metadata.namespace, slice_.metadata.labels.get(wellknown.SERVICE_NAME, "")))

    def _note(self, name: Name) -> None:
        self._changed.add(name)
        self._awake.set()

    async def _follow(self) -> None:
        """Put changes in place for ever."""
        self._awake.set()
        while True:
            await self._awake.wait()
            self._awake.clear()
            try:
                datagrams = self._measured()
                self._failures = 0
                self.synced.set()
            except BackendError as error:
                self.synced.clear()
                self.metrics.failures += 1
                log.error("service rules were refused", extra={"error": str(error)})
                await self._back_off()
                continue
            if datagrams:
                await self._forget_stale()

    async def _back_off(self) -> None:
        self._whole = True
        self._failures += 1
        seconds = min(FIRST_BACK_OFF_SECONDS * 2.0 ** min(self._failures - 1, 30), LONGEST_BACK_OFF_SECONDS)
        with suppress(TimeoutError):
            await wait_for(self._clock, self._awake.wait(), seconds)
        self._awake.set()

    def _measured(self) -> bool:
        began, since = self._clock.now().timestamp(), self._clock.monotonic()
        datagrams = self._sync()
        self.metrics.synced(began, self._clock.now().timestamp(), self._clock.monotonic() - since, self._triggers)
        self._triggers.clear()
        return datagrams

    def _sync(self) -> bool:
        """Bring the rules to what the caches say now; gives whether UDP clients may be led astray by what was before."""
        changes: dict[PortKey, PortPlan | None] = {}
        for name in self._changed:
            changes.update(self._replan(name))
        self._changed.clear()
        if self._whole:
            self._backend.replace({key: plan for plans in self._plans.values() for key, plan in plans.items()})
            self._whole = False
        elif changes:
            self._backend.apply(changes)
        return any(key.protocol == "UDP" for key in changes)

    async def _forget_stale(self) -> None:
        """Make the kernel forget UDP connections to endpoints that are gone."""
        plans = [plan for plans in self._plans.values() for plan in plans.values()]
        with suppress(OSError), conntrack.open_socket() as kernel:
            await asyncio.to_thread(conntrack.forget_stale, kernel, conntrack.frontends(plans, self._node_ips))

    def _replan(self, name: Name) -> dict[PortKey, PortPlan | None]:
        """The ports of a Service whose plan is another than before."""
        service = self._services.get(*name)
        slices = self._slices.by_index(BY_SERVICE, "/".join(name))
        new = {} if service is None else plan_service(service, slices, self._node_name)
        check = None if service is None else health_check_of(service, slices, self._node_name)
        self._health.update({name: Check(*check) if check else None})
        old = self._plans.pop(name, {})
        if new:
            self._plans[name] = new
        changes: dict[PortKey, PortPlan | None] = {key: None for key in old if key not in new}
        return changes | {key: plan for key, plan in new.items() if old.get(key) != plan}

    async def _guard(self) -> None:
        """Put the rules back when somebody else takes them away."""
        async for _ in self._backend.disturbances():
            log.warning("service rules were changed by another process; putting them back")
            self._whole = True
            self._awake.set()
            await self._clock.sleep(1.0)  # two programs that fight over a table must not spin
