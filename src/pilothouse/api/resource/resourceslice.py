"""ResourceSlice: devices that a driver offers."""

from __future__ import annotations

from pilothouse.api.types.resource_v1 import ResourceSlice
from pilothouse.machinery.resource import AGE, Column, Resource

RESOURCESLICE = Resource(
    ResourceSlice,
    plural="resourceslices",
    namespaced=False,
    columns=(
        Column("Node", lambda one: one.spec.nodeName),
        Column("Driver", lambda one: one.spec.driver),
        Column("Pool", lambda one: one.spec.pool.name),
        AGE,
    ),
    selectable_fields={"spec.nodeName": lambda one: one.spec.nodeName or "", "spec.driver": lambda one: one.spec.driver},
)
