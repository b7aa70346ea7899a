"""Files of ConfigMaps, Secrets and downward API fields in volumes. Pure.

Modes: the item's own, else the volume's default, 0644. A path may have directories in it, never `..`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from pilothouse.api.types.core_v1 import ConfigMap, DownwardAPIVolumeFile, KeyToPath, Secret
from pilothouse.kubelet.host.port import PayloadFile
from pilothouse.kubelet.launch.fields import field_value, resource_value
from pilothouse.kubelet.mounts.port import Place, VolumeError

DEFAULT_MODE = 0o644
MISSING_CONFIG_KEY, MISSING_SECRET_KEY = "configmap references non-existent config key", "references non-existent secret key"


def config_data(config: ConfigMap) -> dict[str, bytes]:
    """Files of a ConfigMap: `data` and `binaryData` as bytes."""
    return {
        **{key: value.encode() for key, value in config.data.items()},
        **{key: base64.b64decode(value) for key, value in config.binaryData.items()},
    }


def secret_data(secret: Secret) -> dict[str, bytes]:
    """Files of a Secret: `data` as bytes."""
    return {key: base64.b64decode(value) for key, value in secret.data.items()}


def key_files(
    data: Mapping[str, bytes], items: Sequence[KeyToPath], mode: int | None, *, optional: bool | None, missing: str
) -> dict[str, PayloadFile]:
    """Files for all keys, or for those of `items`; `missing` begins the error about a missing key."""
    default = DEFAULT_MODE if mode is None else mode
    if not items:
        return {key: PayloadFile(value, default) for key, value in data.items()}
    files = {}
    for item in items:
        if item.key not in data:
            if optional:
                continue
            raise VolumeError(f"{missing}: {item.key}")
        files[item.path] = PayloadFile(data[item.key], default if item.mode is None else item.mode)
    return files


def downward_api_files(place: Place, items: Sequence[DownwardAPIVolumeFile], mode: int | None) -> dict[str, PayloadFile]:
    """Files of downward API items."""
    files = {}
    for item in items:
        value = ""
        if item.fieldRef is not None:
            value = field_value(place.pod, item.fieldRef.fieldPath, host_ips=place.host_ips, pod_ips=place.pod_ips)
        elif item.resourceFieldRef is not None:
            value = resource_value(place.pod, item.resourceFieldRef, None, place.allocatable)
        chosen = item.mode if item.mode is not None else mode
        files[item.path] = PayloadFile(value.encode(), DEFAULT_MODE if chosen is None else chosen)
    return files
