"""DefaultStorageClass: a claim that names no class gets the one that is marked as default, the newest of several."""

from __future__ import annotations

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import PersistentVolumeClaim
from pilothouse.api.types.storage_v1 import StorageClass
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, Plugin, World

CLAIMS = ("", "persistentvolumeclaims")


class DefaultStorageClass(Plugin):
    """Sets the default StorageClass on a new claim that names none."""

    name = "DefaultStorageClass"
    kinds = frozenset({CLAIMS})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Set `storageClassName` of a new claim to the default class; of several the newest, then the first by name."""
        if request.operation != CREATE or request.subresource:
            return
        claim: PersistentVolumeClaim = request.object
        if claim.spec.storageClassName is not None or wellknown.STORAGE_CLASS_BETA in claim.metadata.annotations:
            return
        defaults = [storage_class for storage_class in await world.list(StorageClass) if is_default(storage_class)]
        if defaults:
            newest = max(storage_class.metadata.creationTimestamp for storage_class in defaults)
            names = sorted(storage_class.metadata.name for storage_class in defaults if storage_class.metadata.creationTimestamp == newest)
            claim.spec.storageClassName = names[0]


def is_default(storage_class: StorageClass) -> bool:
    """Whether the class is annotated as the cluster's default, by the current or the beta annotation."""
    return any(storage_class.metadata.annotations.get(annotation) == "true" for annotation in wellknown.DEFAULT_STORAGE_CLASS)
