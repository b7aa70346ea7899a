"""CSINode: the storage drivers of a Node."""

from __future__ import annotations

from pilothouse.api.types.storage_v1 import CSINode
from pilothouse.machinery.resource import AGE, Column, Resource

CSINODE = Resource(
    CSINode,
    plural="csinodes",
    namespaced=False,
    columns=(Column("Drivers", lambda one: len(one.spec.drivers or ()), type="integer"), AGE),
    reset_fields={"status": ("metadata", "spec")},
)
