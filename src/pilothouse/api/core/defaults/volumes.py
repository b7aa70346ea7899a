"""Defaulting of volumes."""

from __future__ import annotations

from operator import attrgetter

from pilothouse.api.core.defaults.images import pull_policy
from pilothouse.api.core.defaults.quantities import canonical, canonicalise, exact
from pilothouse.api.types.core_v1 import (
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    ProjectedVolumeSource,
    Volume,
)

FILE_MODE = 0o644
TOKEN_SECONDS = 3600


SOURCES = tuple(name for name in Volume.__struct_fields__ if name != "name")
_sources = attrgetter(*SOURCES)


def sources_of(volume: Volume) -> list[str]:
    """The fields of a volume that name a source; there should be one."""
    return [name for name, value in zip(SOURCES, _sources(volume), strict=True) if value is not None]


def has_source(volume: Volume) -> bool:
    """Whether a volume names a source."""
    return _sources(volume).count(None) < len(SOURCES)


def default_volume(volume: Volume) -> None:
    """An empty directory when no source is named, and what the source leaves out."""
    if not has_source(volume):
        volume.emptyDir = EmptyDirVolumeSource()
    for source in (volume.secret, volume.configMap, volume.downwardAPI, volume.projected):
        if source is not None and source.defaultMode is None:
            source.defaultMode = FILE_MODE
    if volume.downwardAPI:
        _default_files(volume.downwardAPI.items)
    if volume.projected:
        _default_projected(volume.projected)
    if volume.emptyDir and volume.emptyDir.sizeLimit is not None:
        volume.emptyDir.sizeLimit = exact(volume.emptyDir.sizeLimit)
    if volume.ephemeral and volume.ephemeral.volumeClaimTemplate:
        default_claim(volume.ephemeral.volumeClaimTemplate.spec)
    if volume.image and not volume.image.pullPolicy:
        volume.image.pullPolicy = pull_policy(volume.image.reference)
    default_remote(volume)


def _default_projected(projected: ProjectedVolumeSource) -> None:
    for source in projected.sources or ():
        if source.serviceAccountToken and source.serviceAccountToken.expirationSeconds is None:
            source.serviceAccountToken.expirationSeconds = TOKEN_SECONDS
        if source.downwardAPI:
            _default_files(source.downwardAPI.items)


def _default_files(items: list[DownwardAPIVolumeFile]) -> None:
    for item in items:
        if item.fieldRef:
            item.fieldRef.apiVersion = item.fieldRef.apiVersion or "v1"
        if item.resourceFieldRef:
            item.resourceFieldRef.divisor = canonical(item.resourceFieldRef.divisor or "0")


def default_remote(volume: Volume | PersistentVolumeSpec) -> None:
    """Default remote volume sources, in a Pod or a PersistentVolume."""
    if volume.hostPath and volume.hostPath.type is None:
        volume.hostPath.type = ""
    if volume.iscsi:
        volume.iscsi.iscsiInterface = volume.iscsi.iscsiInterface or "default"
    if volume.rbd:
        volume.rbd.pool = volume.rbd.pool or "rbd"
        volume.rbd.user = volume.rbd.user or "admin"
        volume.rbd.keyring = volume.rbd.keyring or "/etc/ceph/keyring"
    if volume.azureDisk:
        disk = volume.azureDisk
        if disk.cachingMode is None:
            disk.cachingMode = "ReadWrite"
        if disk.kind is None:
            disk.kind = "Shared"
        if disk.fsType is None:
            disk.fsType = "ext4"
        disk.readOnly = disk.readOnly or False
    if volume.scaleIO:
        volume.scaleIO.storageMode = volume.scaleIO.storageMode or "ThinProvisioned"
        volume.scaleIO.fsType = volume.scaleIO.fsType or "xfs"


def default_claim(spec: PersistentVolumeClaimSpec) -> None:
    """Defaults of a claim's spec, in a PersistentVolumeClaim as in a template."""
    if spec.volumeMode is None:
        spec.volumeMode = "Filesystem"
    canonicalise(spec.resources.limits)
    canonicalise(spec.resources.requests)
