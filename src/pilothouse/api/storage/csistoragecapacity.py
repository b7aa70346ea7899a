"""CSIStorageCapacity: how much a storage class has left in a part of the cluster."""

from __future__ import annotations

from pilothouse.api.core.columns import UNSET
from pilothouse.api.core.defaults.quantities import canonical
from pilothouse.api.core.validation.fields import immutable, named
from pilothouse.api.types.storage_v1 import CSIStorageCapacity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Column, Resource

CSISTORAGECAPACITY = Resource(
    CSIStorageCapacity,
    plural="csistoragecapacities",
    columns=(
        Column("StorageClassName", lambda one: one.storageClassName),
        Column("Capacity", lambda one: UNSET if one.capacity is None else str(one.capacity)),
    ),
)


@CSISTORAGECAPACITY.default
def default(one: CSIStorageCapacity) -> None:
    one.capacity = None if one.capacity is None else canonical(one.capacity)
    one.maximumVolumeSize = None if one.maximumVolumeSize is None else canonical(one.maximumVolumeSize)


@CSISTORAGECAPACITY.validate
def validate(one: CSIStorageCapacity, problems: Problems) -> None:
    named(one.storageClassName, problems, "storageClassName")


@CSISTORAGECAPACITY.validate_update
def validate_update(old: CSIStorageCapacity, new: CSIStorageCapacity, problems: Problems) -> None:
    immutable(new.nodeTopology, old.nodeTopology, problems, "nodeTopology")
    immutable(new.storageClassName, old.storageClassName, problems, "storageClassName")
