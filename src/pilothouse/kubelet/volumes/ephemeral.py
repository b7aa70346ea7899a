"""ephemeral: volume of the claim `<pod>-<volume>`, which was created for the Pod.

The claim is created by controllers/builtin; how its volume is found and mounted is in mounts/claims.py.
"""

from __future__ import annotations

from pilothouse.kubelet.mounts.claims import claimed, find, stage
from pilothouse.kubelet.mounts.port import Place, VolumeKind, VolumeStaging


async def name(place: Place) -> str:
    """The name under which the claim's volume is staged, if it is. Raises VolumeError when the claim is missing or not the pod's own."""
    return await find(place, f"{place.pod.metadata.name}-{place.volume.name}", own=True)


EPHEMERAL = VolumeKind("ephemeral", "kubernetes.io/ephemeral", claimed, staging=VolumeStaging(name, stage), owned=False)
