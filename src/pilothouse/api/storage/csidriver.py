"""CSIDriver: a storage driver that is installed."""

from __future__ import annotations

from pilothouse.api.core.columns import NONE, UNSET
from pilothouse.api.types.storage_v1 import CSIDriver
from pilothouse.machinery.resource import AGE, Column, Resource


def _tokens(one: CSIDriver) -> str:
    return ",".join(request.audience for request in one.spec.tokenRequests) if one.spec.tokenRequests else UNSET


CSIDRIVER = Resource(
    CSIDriver,
    plural="csidrivers",
    namespaced=False,
    columns=(
        Column("AttachRequired", lambda one: one.spec.attachRequired is not False, type="boolean"),
        Column("PodInfoOnMount", lambda one: bool(one.spec.podInfoOnMount), type="boolean"),
        Column("StorageCapacity", lambda one: bool(one.spec.storageCapacity), type="boolean"),
        Column("TokenRequests", _tokens),
        Column("RequiresRepublish", lambda one: bool(one.spec.requiresRepublish), type="boolean"),
        Column("Modes", lambda one: ",".join(one.spec.volumeLifecycleModes) or NONE),
        AGE,
    ),
)


@CSIDRIVER.default
def default(one: CSIDriver) -> None:
    spec = one.spec
    if spec.attachRequired is None:
        spec.attachRequired = True
    for field in ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"):
        setattr(spec, field, bool(getattr(spec, field)))
    if spec.fsGroupPolicy is None:
        spec.fsGroupPolicy = "ReadWriteOnceWithFSType"
    spec.volumeLifecycleModes = spec.volumeLifecycleModes or ["Persistent"]
