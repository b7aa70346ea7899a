"""ResourceQuota: what is created in a namespace, or grows there, is charged to its quotas, and refused when one is used up.

- What counts for what is said in api/core/quota.py; what goes away is taken off again by controllers/builtin/resourcequota.py.
- A charge is written into the quota's status before the object is committed, only if nobody else has written meanwhile: of
  two that fit alone but not together, one is refused.
- A quota whose usage nobody has counted yet is counted here; upstream refuses until its controller has come by.
- It is the last to be asked, and charges only when every quota has room: nothing is charged for what is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pilothouse.api.core import quota
from pilothouse.api.types.core_v1 import PersistentVolumeClaim, Pod, ResourceQuota, Service
from pilothouse.apiserver.admission.plugin import CREATE, UPDATE, AdmissionRequest, Plugin, World, refused
from pilothouse.machinery import codec, quantity
from pilothouse.machinery.errors import StatusError, conflict

ATTEMPTS = 100
"""Bound of the retries of a charge that others were faster than: reaching it means a livelock."""
GROWING: Mapping[type[Any], str] = {Pod: "resize", Service: "", PersistentVolumeClaim: ""}
"""Kinds whose updates are charged, each with the subresource through which it grows."""


class ResourceQuotaAdmission(Plugin):
    """Charges requests to the ResourceQuotas of the namespace, and refuses what exceeds one."""

    name = "ResourceQuota"

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Charge the request to every quota of its namespace.

        Refuses what exceeds one (403); a quota that others change too often is a conflict (409) after some attempts. A dry run charges
        nothing.
        """
        if not is_charged(request):
            return
        quotas: Sequence[ResourceQuota] = await world.list(ResourceQuota, request.namespace)
        for _ in range(ATTEMPTS):
            charged = [changed for quota in quotas if (changed := await _charged(request, world, quota)) is not None]
            if request.dry_run:
                return
            left = [quota for quota in charged if not await world.update_status(quota)]
            newest = [await world.get(ResourceQuota, quota.metadata.name, request.namespace) for quota in left]
            quotas = [quota for quota in newest if quota is not None]
            if not quotas:
                return
        raise _too_contended(quotas[0])


def is_charged(request: AdmissionRequest) -> bool:
    """Whether usage may grow with the request: creates, updates of what grows, and a Pod that gets, or loses, a deadline."""
    if not request.namespace or not request.resource.namespaced:
        return False
    if request.operation == CREATE:
        return not request.subresource
    if request.operation != UPDATE:
        return False
    if request.resource.type is Pod and not request.subresource:
        return quota.has_deadline(request.object) != quota.has_deadline(request.old_object)
    return GROWING.get(request.resource.type) == request.subresource


async def _charged(request: AdmissionRequest, world: World, resource_quota: ResourceQuota) -> ResourceQuota | None:
    """A quota with the request charged to its status; None when it does not count it; StatusError when it does not fit."""
    names = quota.counted(request.resource, resource_quota.spec.hard)
    if not names or not quota.matches(resource_quota, request.object):
        return None
    if request.resource.type is Pod and request.operation == CREATE and (lacking := quota.missing_resources(request.object, names)):
        raise refused(request, f"failed quota: {resource_quota.metadata.name}: {lacking}")
    more = growth(request, names, world, resource_quota)
    if not more:
        return None
    used = await _used(request, world, resource_quota, names)
    if wrong := breach(resource_quota, used, more):
        raise refused(request, wrong)
    charged = codec.clone(resource_quota)
    charged.status.hard = dict(resource_quota.spec.hard)
    charged.status.used |= {name: str(value) for name, value in quota.added(used, more).items()}
    return charged


def growth(request: AdmissionRequest, names: Iterable[str], world: World, resource_quota: ResourceQuota) -> quota.Usage:
    """Usage that the request adds to a quota, by resource name; all of it when the quota did not count the object before.

    What it gives back is the controller's to take off.
    """
    now = world.clock.now()
    after = quota.usage(request.object, request.resource, now)
    counted_before = request.operation == UPDATE and quota.matches(resource_quota, request.old_object)
    before = quota.usage(request.old_object, request.resource, now) if counted_before else {}
    more = {name: after[name] - before[name] if name in before else after[name] for name in names if name in after}
    return {name: value for name, value in more.items() if value.nanos > 0}


async def _used(request: AdmissionRequest, world: World, resource_quota: ResourceQuota, names: set[str]) -> quota.Usage:
    """The usage of those names as the status has it, counted anew when it does not have all."""
    if names <= resource_quota.status.used.keys():
        return {name: quantity.parse(resource_quota.status.used[name]) for name in names}
    return quota.used(resource_quota, request.resource, await world.list(request.resource.type, request.namespace), world.clock.now())


def breach(resource_quota: ResourceQuota, used: quota.Usage, more: quota.Usage) -> str:
    """Upstream's words for what does not fit, or nothing."""
    hard = {name: quantity.parse(value) for name, value in resource_quota.spec.hard.items()}
    exceeded = [name for name, value in more.items() if hard[name].nanos < (used[name] + value).nanos]
    if not exceeded:
        return ""
    requested, taken, limited = (amounts_text(amounts, exceeded) for amounts in (more, used, hard))
    return f"exceeded quota: {resource_quota.metadata.name}, requested: {requested}, used: {taken}, limited: {limited}"


def amounts_text(amounts: Mapping[str, Any], names: Iterable[str]) -> str:
    """Amounts by name as messages print them: `cpu=1,pods=2`."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(names))


def _too_contended(quota: ResourceQuota) -> StatusError:
    return conflict("resourcequotas", "", quota.metadata.name, "the usage of the quota changes too fast; please try again")
