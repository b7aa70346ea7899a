"""secret: the keys of a Secret as files in memory, which follow it."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Secret
from pilothouse.kubelet.launch.environment import fetched
from pilothouse.kubelet.mounts.files import MISSING_SECRET_KEY, key_files, secret_data
from pilothouse.kubelet.mounts.port import Place, VolumeKind


async def publish(place: Place) -> None:
    """Write the files into memory. Raises VolumeError when the Secret or a key is missing and not optional."""
    source = place.volume.secret
    assert source is not None
    secret = await fetched(place.objects, Secret, place.pod.metadata.namespace, source.secretName, source.optional)
    data = secret_data(secret) if secret is not None else {}
    files = key_files(data, source.items, source.defaultMode, optional=source.optional, missing=MISSING_SECRET_KEY)
    if not await place.host.is_mounted(place.path):
        await place.host.mount_tmpfs(place.path, mode=0o777)
    await place.host.write_payload(place.path, files)


SECRET = VolumeKind("secret", "kubernetes.io/secret", publish, live=True)
