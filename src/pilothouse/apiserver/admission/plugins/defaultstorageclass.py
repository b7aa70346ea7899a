"""DefaultStorageClass: a claim that names no class gets the one that is marked as default, the newest of several."""

from __future__ import annotations

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import PersistentVolumeClaim
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, Plugin, World

CLAIMS = ("", "persistentvolumeclaims")


class DefaultStorageClass(Plugin):
    """See the module docstring."""

    name = "DefaultStorageClass"
    kinds = frozenset({CLAIMS})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        if request.operation != CREATE or request.subresource:
            return
        claim: PersistentVolumeClaim = request.object
        if claim.spec.storageClassName is not None or wellknown.STORAGE_CLASS_BETA in claim.metadata.annotations:
            return
        defaults = [one for one in await world.list(StorageClass) if is_default(one)]
        if defaults:
            newest = max(one.metadata.creationTimestamp for one in defaults)
            names = sorted(one.metadata.name for one in defaults if one.metadata.creationTimestamp == newest)
            claim.spec.storageClassName = names[0]


def is_default(storage_class: StorageClass) -> bool:
    return any(storage_class.metadata.annotations.get(one) == "true" for one in wellknown.DEFAULT_STORAGE_CLASS)
