"""Volumes of kinds that are gone, and paths in one volume that get into each other's way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pilothouse.api.core.warnings.containers import of_fractions
from pilothouse.api.types.core_v1 import PersistentVolumeClaimSpec, ProjectedVolumeSource, Volume, VolumeProjection
from pilothouse.machinery.problems import Problems

GONE = {
    "photonPersistentDisk": ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    "gitRepo": ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    "scaleIO": ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    "flocker": ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    "storageos": ("storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    "quobyte": ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    "glusterfs": ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    "cephfs": ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    "rbd": ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
}
"""Field of a volume: how upstream calls it here, and what has become of it."""


def of_volumes(volumes: list[Volume], here: Problems) -> Iterator[str]:
    """Warnings for removed volume types, fractions of bytes, and paths that overwrite each other."""
    for index, volume in enumerate(volumes):
        for field, (name, fate) in GONE.items():
            if getattr(volume, field) is not None:
                yield f"{here.at(index, name).path}: {fate}"
        template = volume.ephemeral.volumeClaimTemplate if volume.ephemeral else None
        if template:
            yield from of_claim_spec(template.spec, here.at(index, "ephemeral", "volumeClaimTemplate", "spec"))
    for volume in volumes:
        yield from _of_paths(volume)


def of_claim_spec(spec: PersistentVolumeClaimSpec, here: Problems) -> Iterator[str]:
    """Warnings for storage requests with fractions of bytes. Upstream: GetWarningsForPersistentVolumeClaimSpec."""
    for field in ("requests", "limits"):
        yield from of_fractions(getattr(spec.resources, field), here.at("resources", field), ("storage",))


def _of_paths(volume: Volume) -> Iterator[str]:
    for kind, source, name in (
        ("ConfigMap", volume.configMap, f' "{volume.configMap.name}"' if volume.configMap else ""),
        ("Secret", volume.secret, f' "{volume.secret.secretName}"' if volume.secret else ""),
        ("DownwardAPI", volume.downwardAPI, ""),
    ):
        if source is not None:
            yield from _overlaps((item.path for item in source.items), f'volume "{volume.name}" ({kind}{name}): overlapping paths')
    if volume.projected:
        yield from _of_projected(volume.name, volume.projected)


def _of_projected(name: str, projected: ProjectedVolumeSource) -> Iterator[str]:
    every: list[tuple[str, str]] = []
    for source in projected.sources or ():
        if source == VolumeProjection():
            yield f'volume "{name}" (Projected) has no sources provided'
            continue
        for path, origin in _projection(source):
            own = path.rstrip("/")
            for other, another in every:
                if _collide(other, own):
                    yield f'volume "{name}" (Projected): overlapping paths: "{own}" ({origin}) with "{other}" ({another})'
            every.append((own, origin))


def _projection(source: VolumeProjection) -> list[tuple[str, str]]:
    """The files that a source writes, each with what upstream calls the source."""
    if source.configMap and source.configMap.items:
        return [(item.path, f'ConfigMap "{source.configMap.name}"') for item in source.configMap.items]
    if source.secret and source.secret.items:
        return [(item.path, f'Secret "{source.secret.name}"') for item in source.secret.items]
    if source.downwardAPI and source.downwardAPI.items:
        return [(item.path, "DownwardAPI") for item in source.downwardAPI.items]
    if source.serviceAccountToken:
        return [(source.serviceAccountToken.path, "ServiceAccountToken")]
    if source.clusterTrustBundle:
        bundle = source.clusterTrustBundle
        return [(bundle.path, f'ClusterTrustBundle "{bundle.name or bundle.signerName}"')]
    if source.podCertificate:
        own = source.podCertificate
        parts = (own.certificateChainPath, "chain"), (own.keyPath, "key"), (own.credentialBundlePath, "credential bundle")
        return [(path, f"PodCertificate {part}") for path, part in parts if path]
    return []


def _overlaps(paths: Iterable[str], text: str) -> Iterator[str]:
    """A file cannot be a directory, too."""
    seen: list[str] = []
    for path in paths:
        own = path.rstrip("/")
        for other in seen:
            if _collide(other, own):
                yield f'{text}: "{own}" with "{other}"'
        seen.append(own)


def _collide(path: str, other: str) -> bool:
    return bool(path and other) and (f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"))
