"""ResourceQuota controller: recalculates the usage in the status of quotas."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from pilothouse.api.catalogue import known
from pilothouse.api.core import quota
from pilothouse.api.types.core_v1 import PersistentVolumeClaim, Pod, ResourceQuota, Service
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import Action, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import READ, UPDATE, Controller, OwnStatus, Related, Rule
from pilothouse.controllers.framework.runner import Context, Runner
from pilothouse.controllers.framework.world import World
from pilothouse.kit.component import Component
from pilothouse.machinery import codec
from pilothouse.machinery.catalogue import ADDED, Catalogue
from pilothouse.machinery.resource import Resource

RESYNC_SECONDS = 300.0
"""A Pod whose node is lost stops counting when its grace period is over, which nothing tells (--resource-quota-sync-period)."""
FINISHED = ("Succeeded", "Failed")
CHANGEABLE = (Pod, Service, PersistentVolumeClaim)
"""The kinds whose objects may come to count for something else while they live."""


def is_countable(resource: Resource[Any]) -> bool:
    """Whether a namespace may hold objects of it, each kind once; Events are not counted, as upstream has it."""
    may = resource.namespaced and {"create", "list", "watch"} <= set(resource.verbs)
    return may and resource.primary is resource and resource.kind != "Event"


def watches_of(served: Catalogue) -> tuple[Related, ...]:
    """Watches of every kind that quotas count."""
    return tuple(watch_of(resource) for resource in served.resources() if is_countable(resource) and resource.type is not ResourceQuota)


def watch_of(resource: Resource[Any]) -> Related:
    """The watch that recounts a namespace's quotas when an object of this resource changes or goes.

    Admission has charged new objects already. A recount between a charge and its commit would remove the charge and admit one object too
    many; upstream's quota monitor ignores additions, too.
    """
    return Related(resource.type, partial(_quotas_of, resource), _matters, creations=False)


class QuotaRunner(Runner):
    """A Runner that follows the catalogue: kinds added while it runs are counted as well."""

    async def run(self) -> None:
        """Run the controller and follow the catalogue until cancelled."""
        end = self._context.client.catalogue.subscribe(self._follow)
        try:
            await super().run()
        finally:
            end()

    def _follow(self, what: str, resource: Resource[Any]) -> None:
        if not is_countable(resource):
            return
        if what == ADDED:
            self.add_watch(watch_of(resource))
        else:
            self.drop_kind(resource.type)


def _quotas_of(resource: Resource[Any], obj: Any, world: World) -> Iterator[Key]:
    for resource_quota in world.list(ResourceQuota, obj.metadata.namespace):
        if quota.counted(resource, resource_quota.spec.hard):
            yield resource_quota.metadata.namespace, resource_quota.metadata.name


def _matters(old: Any, new: Any) -> bool:
    """Whether an object may count for something else than before. That a Pod is bound or runs does not change what it counts for."""
    if isinstance(new, Pod):
        ended = new.status.phase in FINISHED and new.status.phase != old.status.phase
        return ended or old.metadata.deletionTimestamp != new.metadata.deletionTimestamp or _counted_spec(old) != _counted_spec(new)
    return isinstance(new, CHANGEABLE) and bool(old.spec != new.spec or old.status != new.status)


def _counted_spec(pod: Pod) -> tuple[object, ...]:
    return pod.spec.containers, pod.spec.initContainers, pod.spec.resources, pod.spec.activeDeadlineSeconds


class ResourceQuotaController(Controller):
    """Keeps the usage in the status of quotas true: what admission has counted up comes down here.

    - What counts for what is said in api/core/quota.py.
    """

    name = "resourcequota-controller"
    account = "resourcequota-controller"
    reconciles = ResourceQuota
    own_status = OwnStatus.IGNORE  # admission charges before it commits: who counts between the two takes the charge off again
    watches = watches_of(known())
    catalogue = known()
    rules = (
        Rule("*", ("*",), ("list", "watch")),
        Rule("", ("resourcequotas/status",), UPDATE),
        Rule("", ("resourcequotas",), READ),
    )

    def component(self, context: Context) -> Component:
        """A QuotaRunner that watches every kind that the catalogue has now."""
        self.catalogue = context.client.catalogue
        self.watches = watches_of(self.catalogue)
        return QuotaRunner(self, context)

    def plan(self, resource_quota: ResourceQuota, world: World) -> Iterator[Action]:
        """Count the usage of the quota's namespace and write it into the status when it differs."""
        if resource_quota.metadata.deletionTimestamp:
            return
        total: quota.Usage = {}
        for resource in self.catalogue.resources():
            if is_countable(resource) and quota.counted(resource, resource_quota.spec.hard):
                total |= quota.used(resource_quota, resource, world.list(resource.type, resource_quota.metadata.namespace), world.now)
        changed = codec.clone(resource_quota)
        changed.status.hard = dict(resource_quota.spec.hard)
        changed.status.used = {name: str(value) for name, value in total.items()}
        yield UpdateStatus(changed)
        yield RequeueAfter(RESYNC_SECONDS)
