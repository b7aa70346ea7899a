"""PersistentVolumeClaimResize: a claim grows only when its class says that its volumes can. (Unbound ones change nothing: validation.)"""

from __future__ import annotations

from pilothouse.api.core.storagecells import volume_class
from pilothouse.api.types.core_v1 import PersistentVolumeClaim
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.apiserver.admission.plugin import UPDATE, AdmissionRequest, Plugin, World, refused
from pilothouse.machinery import quantity

CLAIMS = ("", "persistentvolumeclaims")
NOT_GROWING = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"


class PersistentVolumeClaimResize(Plugin):
    """Claims grow only when their class allows it."""

    name = "PersistentVolumeClaimResize"
    kinds = frozenset({CLAIMS})

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse a larger storage request when the claim's StorageClass does not set `allowVolumeExpansion`."""
        if request.operation != UPDATE or request.subresource:
            return
        new: PersistentVolumeClaim = request.object
        old: PersistentVolumeClaim = request.old_object
        if requested_storage(new) <= requested_storage(old):
            return
        wanted = volume_class(new, new.spec.storageClassName)
        storage_class = await world.get(StorageClass, wanted) if wanted and wanted == volume_class(old, old.spec.storageClassName) else None
        if storage_class is None or not storage_class.allowVolumeExpansion:
            raise refused(request, NOT_GROWING)


def requested_storage(claim: PersistentVolumeClaim) -> int:
    """Storage request of a claim."""
    requests = claim.spec.resources.requests if claim.spec.resources is not None else {}
    return quantity.parse(requests.get("storage", "0")).nanos
