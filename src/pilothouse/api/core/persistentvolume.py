"""PersistentVolume: a piece of storage of the cluster."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.core.columns import UNSET
from pilothouse.api.core.defaults.quantities import canonicalise
from pilothouse.api.core.defaults.volumes import default_remote
from pilothouse.api.core.storagecells import access_modes, volume_class
from pilothouse.api.core.validation.claims import VOLUME_MODES, validate_access_modes, validate_positive
from pilothouse.api.core.validation.fields import immutable, optional_one_of, report
from pilothouse.api.core.validation.paths import validate_no_backsteps
from pilothouse.api.core.validation.remote import validate_csi_driver, validate_remote
from pilothouse.api.core.validation.selectors import validate_node_selector
from pilothouse.api.core.validation.volumes import validate_host_path
from pilothouse.api.core.warnings.names import of_node_selector_term
from pilothouse.api.core.warnings.volumes import GONE
from pilothouse.api.internal import difference, internal
from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeSpec
from pilothouse.machinery import names, quantity
from pilothouse.machinery.codec import clone
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import Strategy

SOURCES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs", "iscsi", "cinder",
    "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO", "local",
    "storageos", "csi",
)  # fmt: skip
"""The order in which upstream looks at sources: the first counts, and those after it are too many."""
NOT_INLINE = "may not be specified in the context of inline volumes"
CSI_SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")
SECRET_RULES = (("name", names.dns_subdomain), ("namespace", names.dns_label))
TOO_MANY = {"cephfs": "cephFS"}
"""How upstream calls a source that is one too many."""
OLD_ANNOTATIONS = {
    wellknown.STORAGE_CLASS_BETA: ("v1.8", "storageClassName"),
    "volume.beta.kubernetes.io/mount-options": ("v1.31", "mountOptions"),
}


def _claim(volume: PersistentVolume) -> str:
    claim = volume.spec.claimRef
    return f"{claim.namespace}/{claim.name}" if claim else ""


PERSISTENTVOLUME = Resource(
    PersistentVolume,
    plural="persistentvolumes",
    short_names=("pv",),
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("Capacity", lambda volume: str(volume.spec.capacity.get("storage", "0"))),
        Column("Access Modes", lambda volume: access_modes(volume.spec.accessModes)),
        Column("Reclaim Policy", lambda volume: volume.spec.persistentVolumeReclaimPolicy),
        Column("Status", lambda volume: "Terminating" if volume.metadata.deletionTimestamp else volume.status.phase),
        Column("Claim", _claim),
        Column("StorageClass", lambda volume: volume_class(volume, volume.spec.storageClassName), description="StorageClass of the pv"),
        Column("VolumeAttributesClass", lambda volume: volume.spec.volumeAttributesClassName or UNSET),
        Column("Reason", lambda volume: volume.status.reason),
        AGE,
        Column("VolumeMode", lambda volume: volume.spec.volumeMode or UNSET, priority=1),
    ),
    strategy=Strategy(validates_generate_name=True, generation=None, returns_deleted_object=True),
)


@PERSISTENTVOLUME.default
def default(volume: PersistentVolume) -> None:
    """Phase Pending, reclaim policy Retain, volume mode Filesystem. Upstream: SetDefaults_PersistentVolume."""
    volume.status.phase = volume.status.phase or "Pending"
    volume.spec.persistentVolumeReclaimPolicy = volume.spec.persistentVolumeReclaimPolicy or "Retain"
    if volume.spec.volumeMode is None:
        volume.spec.volumeMode = "Filesystem"
    canonicalise(volume.spec.capacity)
    default_remote(volume.spec)


@PERSISTENTVOLUME.prepare_create
def prepare_create(volume: PersistentVolume) -> None:
    """Reset `status` to Pending as of now."""
    volume.status.phase = "Pending"
    volume.status.lastPhaseTransitionTime = volume.metadata.creationTimestamp


@PERSISTENTVOLUME.prepare_status
def prepare_status(old: PersistentVolume, new: PersistentVolume, now: str) -> None:
    """The time of the last change of phase, unless the writer says another (KEP-3762)."""
    moment = new.status.lastPhaseTransitionTime
    if new.status.phase != old.status.phase and moment in ("", None, old.status.lastPhaseTransitionTime):
        new.status.lastPhaseTransitionTime = now
    elif not moment:
        new.status.lastPhaseTransitionTime = old.status.lastPhaseTransitionTime


@PERSISTENTVOLUME.validate
def validate(volume: PersistentVolume, problems: Problems) -> None:
    """Access modes, capacity, exactly one source, policies, node affinity. Upstream: ValidatePersistentVolume."""
    spec, here = volume.spec, problems.at("spec")
    validate_access_modes(spec.accessModes, here.at("accessModes"))
    if not spec.capacity:
        here.at("capacity").required()
    if set(spec.capacity) != {"storage"}:
        here.at("capacity").not_supported(spec.capacity or None, ("storage",))
    for name in sorted(spec.capacity):
        value, where = spec.capacity[name], here.at("capacity", f"[{name}]")
        if quantity.parse(value).nanos < 0:
            where.invalid(quantity.parse(value).nanos // 10**9, "must be a valid resource quantity")
        validate_positive(value, where)
    optional_one_of(spec.persistentVolumeReclaimPolicy or None, ("Delete", "Recycle", "Retain"), here, "persistentVolumeReclaimPolicy")
    if spec.nodeAffinity:
        if spec.nodeAffinity.required:
            validate_node_selector(spec.nodeAffinity.required, here.at("nodeAffinity", "required"))
        else:
            here.at("nodeAffinity", "required").required("must specify required node constraints")
    _validate_rest(spec, here)


def validate_inline_spec(spec: PersistentVolumeSpec, here: Problems) -> None:
    """A volume that stands in a VolumeAttachment: of CSI alone, and less is said of it."""
    for field in ("claimRef", "capacity"):
        if getattr(spec, field):
            here.at(field).forbidden(NOT_INLINE)
    if spec.csi is None:
        here.at("csi").required("has to be specified in the context of inline volumes")
    validate_access_modes(spec.accessModes, here.at("accessModes"))
    if spec.persistentVolumeReclaimPolicy not in ("", "Retain"):
        here.at("persistentVolumeReclaimPolicy").forbidden("may only be Retain in the context of inline volumes")
    if spec.nodeAffinity is not None:
        here.at("nodeAffinity").forbidden(NOT_INLINE)
    _validate_rest(spec, here, inline=True)


def _validate_rest(spec: PersistentVolumeSpec, here: Problems, inline: bool = False) -> None:
    _validate_source(spec, here)
    if spec.storageClassName:
        if inline:
            here.at("storageClassName").forbidden(NOT_INLINE)
        else:
            report(names.dns_subdomain(spec.storageClassName), spec.storageClassName, here, "storageClassName")
    if not inline:
        optional_one_of(spec.volumeMode, VOLUME_MODES, here, "volumeMode")
    elif spec.volumeMode not in (None, "Filesystem"):
        here.at("volumeMode").forbidden("may not specify volumeMode other than Filesystem in the context of inline volumes")
    if spec.volumeAttributesClassName is not None and not inline:
        where = here.at("volumeAttributesClassName")
        if not spec.volumeAttributesClassName:
            where.required("an empty string is disallowed")
        else:
            report(names.dns_subdomain(spec.volumeAttributesClassName), spec.volumeAttributesClassName, where)
        if spec.csi is None:
            here.at("csi").required("has to be specified when using volumeAttributesClassName")


def _validate_source(spec: PersistentVolumeSpec, problems: Problems) -> None:
    count = 0
    for field in SOURCES:
        source = getattr(spec, field)
        if source is None:
            continue
        if count and field != "flexVolume":  # upstream never counts a flexVolume as one too many
            problems.at(TOO_MANY.get(field, field)).forbidden("may not specify more than 1 volume type")
        elif field in SPECIAL:
            SPECIAL[field](source, problems.at(field))
        else:
            validate_remote(field, source, problems)
        if field == "local" and not count and spec.nodeAffinity is None:
            problems.at("nodeAffinity").required("Local volume requires node affinity")
        count += 1
    if not count:
        problems.required("must specify a volume type")
    path = spec.hostPath.path if spec.hostPath else ""
    whole = path.startswith("/") and posixpath.normpath("/" + path.lstrip("/")) == "/"
    if whole and spec.persistentVolumeReclaimPolicy == "Recycle":
        problems.at("persistentVolumeReclaimPolicy").forbidden("may not be 'recycle' for a hostPath mount of '/'")


def _local(source: Any, problems: Problems) -> None:
    if not source.path:
        problems.at("path").required()
        return
    validate_no_backsteps(source.path, problems.at("path"))


def _csi(source: Any, problems: Problems) -> None:
    validate_csi_driver(source.driver, problems.at("driver"))
    if not source.volumeHandle:
        problems.at("volumeHandle").required()
    for field in CSI_SECRETS:
        secret = getattr(source, field)
        for part, rule in SECRET_RULES if secret else ():
            if value := getattr(secret, part):
                report(rule(value), value, problems, field, part)
            else:
                problems.at(field, part).required()


SPECIAL: dict[str, Callable[[Any, Problems], None]] = {"hostPath": validate_host_path, "local": _local, "csi": _csi}


@PERSISTENTVOLUME.validate_update
def validate_update(old: PersistentVolume, new: PersistentVolume, problems: Problems) -> None:
    """The source, volume mode and node affinity never change. Upstream: ValidatePersistentVolumeUpdate."""
    here = problems.at("spec")
    held = clone(old.spec)
    if held.csi and new.spec.csi and held.csi.controllerExpandSecretRef is None:
        held.csi.controllerExpandSecretRef = new.spec.csi.controllerExpandSecretRef  # it may be told later
    if any(getattr(held, field) != getattr(new.spec, field) for field in SOURCES):
        shown = difference(held, new.spec, "core.PersistentVolumeSource")
        here.at("persistentvolumesource").forbidden(f"spec.persistentvolumesource is immutable after creation\n{shown}")
    immutable(new.spec.volumeMode, old.spec.volumeMode, problems, "volumeMode")
    if old.spec.nodeAffinity is not None and old.spec.nodeAffinity != new.spec.nodeAffinity:
        message = "field is immutable, except for updating from beta label to GA"
        problems.at("nodeAffinity").invalid(internal(new.spec.nodeAffinity, "*core.VolumeNodeAffinity"), message)
    if old.spec.volumeAttributesClassName and not new.spec.volumeAttributesClassName:
        here.at("volumeAttributesClassName").forbidden("update from non-nil value to nil is forbidden")


@PERSISTENTVOLUME.warn
def warn(new: PersistentVolume, old: PersistentVolume | None) -> Iterator[str]:
    """Warnings for deprecated annotations, policies, node labels and volume types."""
    here, annotations = Problems("spec"), new.metadata.annotations
    for key, (since, field) in OLD_ANNOTATIONS.items():
        if key in annotations:
            yield f'metadata.annotations[{key}]: deprecated since {since}; use "{field}" attribute instead'
    if new.spec.persistentVolumeReclaimPolicy == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning."
        )
    required = new.spec.nodeAffinity.required if new.spec.nodeAffinity else None
    for index, term in enumerate((required.nodeSelectorTerms or ()) if required else ()):
        yield from of_node_selector_term(term, here.at("nodeAffinity", "required", "nodeSelectorTerms", index))
    for field, (name, fate) in GONE.items():
        if field != "quobyte" and getattr(new.spec, field, None) is not None:
            yield f"{here.at(name).path}: {fate}"
