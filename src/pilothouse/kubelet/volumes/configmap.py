"""configMap: the keys of a ConfigMap as files, which follow it."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.kubelet.launch.environment import fetched
from pilothouse.kubelet.mounts.files import MISSING_CONFIG_KEY, config_data, key_files
from pilothouse.kubelet.mounts.port import Place, VolumeKind


async def publish(place: Place) -> None:
    """Write the files. Raises VolumeError when the ConfigMap or a key is missing and not optional."""
    source = place.volume.configMap
    assert source is not None
    config = await fetched(place.objects, ConfigMap, place.pod.metadata.namespace, source.name, source.optional)
    data = config_data(config) if config is not None else {}
    files = key_files(data, source.items, source.defaultMode, optional=source.optional, missing=MISSING_CONFIG_KEY)
    await place.host.write_payload(place.path, files)


CONFIG_MAP = VolumeKind("configMap", "kubernetes.io/configmap", publish, live=True)
