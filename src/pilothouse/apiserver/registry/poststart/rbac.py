"""Bootstrap roles and bindings: created in a new cluster, reconciled at each start (upstream's hook rbac/bootstrap-roles)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from pilothouse.api.types.rbac_v1 import ClusterRole
from pilothouse.apiserver.auth.rbac.bootstrap import bootstrap_objects
from pilothouse.apiserver.auth.rbac.own import LABELS, OWN_OBJECTS, WITHDRAWN
from pilothouse.apiserver.auth.rbac.reconciliation import reconciled
from pilothouse.apiserver.registry.poststart.hook import Hook
from pilothouse.apiserver.registry.seeding import TIME, Seed
from pilothouse.machinery.codec import clone, encode
from pilothouse.machinery.patch.manager import APPLY, Manager, entry

AGGREGATOR = Manager("clusterrole-aggregation-controller", APPLY)
AGGREGATED_FIELDS = b'{"f:rules":{}}'


class BootstrapRoles(Hook):
    """Reconciles the bootstrap roles once at the start; later changes stay until the next start."""

    name = "rbac-bootstrap-roles"
    kinds = ()

    def seeds(self) -> Iterable[Seed]:
        """All bootstrap roles and bindings of the API level."""
        self.wake()
        return role_seeds(self.store.catalogue.level)

    async def reconcile(self) -> None:
        """Repair the roles and bindings that differ."""
        for kind, name in WITHDRAWN:
            stale = await self.store.get(kind, name)
            if stale is not None and stale.metadata.labels == LABELS:
                await self.write("delete", stale)
        for expected in _expected(self.store.catalogue.level):
            existing = await self.store.get(type(expected), expected.metadata.name, expected.metadata.namespace)
            wanted = clone(expected) if existing is None else reconciled(existing, expected)
            if wanted is None:
                continue
            is_new = not wanted.metadata.uid
            if existing is not None and is_new:
                await self.write("delete", existing)
            await self.write("create" if is_new else "update", wanted)


def _expected(level: str) -> tuple[Any, ...]:
    """The objects that every cluster of a level has. They are shared: nobody may change them."""
    return (*bootstrap_objects(level), *OWN_OBJECTS)


@cache
def role_seeds(level: str) -> tuple[Seed, ...]:
    """Bootstrap roles of a level, with their managedFields and aggregated rules."""
    return tuple(_seeds(level))


def _seeds(level: str) -> Iterator[Seed]:
    for expected in _expected(level):
        obj = clone(expected)
        if isinstance(obj, ClusterRole) and obj.aggregationRule is not None:
            yield _aggregated(obj)
        else:
            yield Seed.of(obj)


def _aggregated(role: ClusterRole) -> Seed:
    """The seed of a role whose rules are the controller's."""
    rules, role.rules = role.rules, None
    bare = Seed.of(role, entry(AGGREGATOR, role.apiVersion, AGGREGATED_FIELDS, TIME))
    role.rules = rules
    return Seed(bare.kind, bare.namespace, bare.name, encode(role))
