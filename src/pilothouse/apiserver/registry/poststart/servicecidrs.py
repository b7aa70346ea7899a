"""The ServiceCIDR `kubernetes`, with the server's service ranges."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.networking_v1 import ServiceCIDR, ServiceCIDRSpec
from pilothouse.apiserver.registry.poststart.hook import Hook
from pilothouse.apiserver.registry.seeding import TIME, Seed, applied_status, seed
from pilothouse.machinery import time
from pilothouse.machinery.codec import clone
from pilothouse.machinery.conditions import find_condition
from pilothouse.machinery.meta_v1 import Condition, ObjectMeta

DEFAULT = "kubernetes"
MESSAGE = "Kubernetes default Service CIDR is ready"
CONDITIONS = (
    b'{"f:status":{"f:conditions":{"k:{\\"type\\":\\"Ready\\"}":{".":{},"f:lastTransitionTime":{},"f:message":{},"f:status":{},'
    b'"f:type":{}}}}}'
)
"""What the hook owns of the status."""
MANAGER = "kubernetes-service-cidr-controller"


class DefaultServiceCIDR(Hook):
    """Upstream's hook start-kubernetes-service-cidr-controller."""

    name = "kubernetes-service-cidr"
    kinds = (ServiceCIDR,)

    def seeds(self) -> Iterable[Seed]:
        """The ServiceCIDR with the condition Ready."""
        made = ServiceCIDR(metadata=ObjectMeta(name=DEFAULT), spec=ServiceCIDRSpec(cidrs=list(self.store.settings.service_ranges)))
        made.status.conditions = [Condition(type="Ready", status="True", message=MESSAGE, lastTransitionTime=TIME)]
        yield Seed.of(made, applied_status(ServiceCIDR, CONDITIONS, MANAGER))

    async def reconcile(self) -> None:
        """Create it when it is missing, add a second IP family, and set Ready while it has this server's ranges."""
        ranges = list(self.store.settings.service_ranges)
        there = await self.store.get(ServiceCIDR, DEFAULT)
        if there is None:
            await seed(self.store, self.seeds())
            return
        if len(ranges) == 2 and there.spec.cidrs == ranges[:1]:
            changed = clone(there)
            changed.spec.cidrs = ranges
            await self.write("update", changed)
            return
        said = find_condition(there.status.conditions, "Ready")
        if there.metadata.deletionTimestamp or there.spec.cidrs != ranges or (said is not None and said.status != "Unknown"):
            return
        ready = Condition(type="Ready", status="True", message=MESSAGE, lastTransitionTime=time.now_text(self.store.clock))
        status = {"conditions": [ready]}
        await self.apply_status(ServiceCIDR, DEFAULT, status, manager=MANAGER)
