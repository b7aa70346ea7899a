"""StorageObjectInUseProtection: a volume, a claim and a class of attributes get the finalizer that keeps them while they are used.

Who takes it off again: the three protection controllers, which also give it to those that were born without.
"""

from __future__ import annotations

from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, Plugin, World

FINALIZERS = {
    ("", "persistentvolumeclaims"): "kubernetes.io/pvc-protection",
    ("", "persistentvolumes"): "kubernetes.io/pv-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(Plugin):
    """Volumes, claims and classes of attributes get the finalizer that keeps them while they are used."""

    name = "StorageObjectInUseProtection"
    kinds = frozenset(FINALIZERS)

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Add the protection finalizer of its kind to a new object."""
        if request.operation != CREATE or request.subresource:
            return
        meta, finalizer = request.object.metadata, FINALIZERS[request.group_plural]
        if finalizer not in meta.finalizers:
            meta.finalizers = [*meta.finalizers, finalizer]
