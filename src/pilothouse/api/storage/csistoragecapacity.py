"""CSIStorageCapacity: how much a storage class has left in a part of the cluster."""

from __future__ import annotations

from pilothouse.api.core.columns import CREATED_AT
from pilothouse.api.core.defaults.quantities import exact
from pilothouse.api.core.validation.fields import NEGATIVE, immutable, report
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.types.storage_v1 import CSIStorageCapacity
from pilothouse.machinery import names, quantity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy

CSISTORAGECAPACITY = Resource(
    CSIStorageCapacity,
    plural="csistoragecapacities",
    columns=(CREATED_AT,),
    strategy=Strategy(validates_generate_name=True, allow_unconditional_update=False, generation=None),
)


@CSISTORAGECAPACITY.default
def default(capacity: CSIStorageCapacity) -> None:
    """Write amounts in canonical form."""
    capacity.capacity = None if capacity.capacity is None else exact(capacity.capacity)
    capacity.maximumVolumeSize = None if capacity.maximumVolumeSize is None else exact(capacity.maximumVolumeSize)


@CSISTORAGECAPACITY.validate
def validate(capacity: CSIStorageCapacity, problems: Problems) -> None:
    """Topology, class and amounts. Upstream: ValidateCSIStorageCapacity."""
    validate_label_selector(capacity.nodeTopology, problems.at("nodeTopology"))
    report(names.dns_subdomain(capacity.storageClassName), capacity.storageClassName, problems, "storageClassName")
    for field in ("capacity", "maximumVolumeSize"):
        value = getattr(capacity, field)
        if value is not None and quantity.parse(value).nanos < 0:
            problems.at(field).invalid(quantity.canonical(value), NEGATIVE)


@CSISTORAGECAPACITY.validate_update
def validate_update(old: CSIStorageCapacity, new: CSIStorageCapacity, problems: Problems) -> None:
    """Topology and class never change. Upstream: ValidateCSIStorageCapacityUpdate."""
    immutable(new.nodeTopology, old.nodeTopology, problems, "nodeTopology")
    immutable(new.storageClassName, old.storageClassName, problems, "storageClassName")
