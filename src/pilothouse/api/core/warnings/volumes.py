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
    every: set[str] = set()
    for source in projected.sources:
        if source == VolumeProjection():
            yield f'volume "{name}" (Projected) has no sources provided'
            continue
        called, paths = _projection(source)
        text = f'volume "{name}" (Projected {called}): overlapping paths'
        yield from _overlaps(paths, text)
        if paths:
            yield from _overlaps(sorted([*set(paths), *every]), text)
            every |= set(paths)


def _projection(source: VolumeProjection) -> tuple[str, list[str]]:
    if source.configMap:
        return f'ConfigMap "{source.configMap.name}"', [item.path for item in source.configMap.items]
    if source.secret:
        return f'Secret "{source.secret.name}"', [item.path for item in source.secret.items]
    if source.downwardAPI:
        return "DownwardAPI", [item.path for item in source.downwardAPI.items]
    if source.serviceAccountToken:
        return "ServiceAccountToken", [source.serviceAccountToken.path]
    if source.clusterTrustBundle:
        bundle = source.clusterTrustBundle
        return f'ClusterTrustBundle "{bundle.name or bundle.signerName}"', [bundle.path]
    return "", []


def _overlaps(paths: Iterable[str], text: str) -> Iterator[str]:
    """A file cannot be a directory, too. (`ab` and `a` are told to overlap as well, as upstream tells it: it compares beginnings.)"""
    seen: dict[str, None] = {}
    for path in paths:
        own = path.rstrip("/")
        other = next((one for one in seen if _collide(one, own)), None)
        if other:
            yield f'{text}: "{own}" with "{other}"'
        seen[own] = None


def _collide(one: str, other: str) -> bool:
    return bool(one and other) and (f"{one}/".startswith(other) or f"{other}/".startswith(one))
