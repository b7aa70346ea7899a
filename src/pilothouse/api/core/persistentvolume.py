"""PersistentVolume: a piece of storage of the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.core.columns import UNSET
from pilothouse.api.core.defaults.quantities import canonicalise
from pilothouse.api.core.storagecells import BETA_CLASS, access_modes, volume_class
from pilothouse.api.core.validation.claims import VOLUME_MODES, validate_access_modes, validate_positive
from pilothouse.api.core.validation.fields import immutable, one_of, optional_one_of, report
from pilothouse.api.core.validation.paths import validate_no_backsteps
from pilothouse.api.core.validation.selectors import validate_node_selector
from pilothouse.api.core.warnings.containers import of_fractions
from pilothouse.api.core.warnings.names import of_node_selector_term
from pilothouse.api.core.warnings.volumes import GONE
from pilothouse.api.types.core_v1 import PersistentVolume
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource

SOURCES = (
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker",
    "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk", "portworxVolume",
    "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
)  # fmt: skip
OLD_ANNOTATIONS = {BETA_CLASS: ("v1.8", "storageClassName"), "volume.beta.kubernetes.io/mount-options": ("v1.31", "mountOptions")}
REQUIRED = {"nfs": ("server", "path"), "local": ("path",), "hostPath": ("path",), "csi": ("driver", "volumeHandle")}


def _claim(one: PersistentVolume) -> str:
    claim = one.spec.claimRef
    return f"{claim.namespace}/{claim.name}" if claim else ""


PERSISTENTVOLUME = Resource(
    PersistentVolume,
    plural="persistentvolumes",
    short_names=("pv",),
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("Capacity", lambda one: str(one.spec.capacity.get("storage", "0"))),
        Column("Access Modes", lambda one: access_modes(one.spec.accessModes)),
        Column("Reclaim Policy", lambda one: one.spec.persistentVolumeReclaimPolicy),
        Column("Status", lambda one: "Terminating" if one.metadata.deletionTimestamp else one.status.phase),
        Column("Claim", _claim),
        Column("StorageClass", lambda one: volume_class(one, one.spec.storageClassName), description="StorageClass of the pv"),
        Column("VolumeAttributesClass", lambda one: one.spec.volumeAttributesClassName or UNSET),
        Column("Reason", lambda one: one.status.reason),
        AGE,
        Column("VolumeMode", lambda one: one.spec.volumeMode or UNSET, priority=1),
    ),
)


@PERSISTENTVOLUME.default
def default(one: PersistentVolume) -> None:
    one.status.phase = one.status.phase or "Pending"
    one.spec.persistentVolumeReclaimPolicy = one.spec.persistentVolumeReclaimPolicy or "Retain"
    one.spec.volumeMode = one.spec.volumeMode or "Filesystem"
    canonicalise(one.spec.capacity)


@PERSISTENTVOLUME.prepare_create
def prepare_create(one: PersistentVolume) -> None:
    one.status.phase = "Pending"


@PERSISTENTVOLUME.validate
def validate(one: PersistentVolume, problems: Problems) -> None:
    spec, here = one.spec, problems.at("spec")
    validate_access_modes(spec.accessModes, here.at("accessModes"))
    if not spec.capacity:
        here.at("capacity").required()
    elif set(spec.capacity) != {"storage"}:
        here.at("capacity").not_supported(str(sorted(spec.capacity)), ("storage",))
    for name, value in spec.capacity.items():
        validate_positive(value, here.at("capacity", f"[{name}]"))
    policy = spec.persistentVolumeReclaimPolicy
    one_of(policy, ("Delete", "Recycle", "Retain"), here, "persistentVolumeReclaimPolicy")
    if spec.nodeAffinity:
        if spec.nodeAffinity.required:
            validate_node_selector(spec.nodeAffinity.required, here.at("nodeAffinity", "required"))
        else:
            here.at("nodeAffinity", "required").required("must specify required node constraints")
    _validate_source(one, here)
    if spec.storageClassName:
        report(names.dns_subdomain(spec.storageClassName), spec.storageClassName, here, "storageClassName")
    optional_one_of(spec.volumeMode, VOLUME_MODES, here, "volumeMode")


def _validate_source(one: PersistentVolume, problems: Problems) -> None:
    given = [field for field in SOURCES if getattr(one.spec, field) is not None]
    if not given:
        problems.required("must specify a volume type")
    for field in given[1:]:
        problems.at(field).forbidden("may not specify more than 1 volume type")
    for field in given[:1]:
        for name in REQUIRED.get(field, ()):
            if not getattr(getattr(one.spec, field), name):
                problems.at(field, name).required()
    if one.spec.local:
        validate_no_backsteps(one.spec.local.path, problems.at("local", "path"))
        if one.spec.nodeAffinity is None:
            problems.at("nodeAffinity").required("Local volume requires node affinity")
    if one.spec.hostPath:
        validate_no_backsteps(one.spec.hostPath.path, problems.at("hostPath", "path"))
        if one.spec.hostPath.path == "/" and one.spec.persistentVolumeReclaimPolicy == "Recycle":
            problems.at("persistentVolumeReclaimPolicy").forbidden("may not be 'recycle' for a hostPath mount of '/'")


@PERSISTENTVOLUME.validate_update
def validate_update(old: PersistentVolume, new: PersistentVolume, problems: Problems) -> None:
    here = problems.at("spec")
    if any(getattr(old.spec, field) != getattr(new.spec, field) for field in SOURCES):
        here.at("persistentvolumesource").forbidden("spec.persistentvolumesource is immutable after creation")
    immutable(new.spec.volumeMode, old.spec.volumeMode, problems, "volumeMode")
    if old.spec.nodeAffinity is not None and old.spec.nodeAffinity != new.spec.nodeAffinity:
        message = "field is immutable, except for updating from beta label to GA"
        problems.at("nodeAffinity").invalid(new.spec.nodeAffinity, message)


@PERSISTENTVOLUME.warn
def warn(new: PersistentVolume, old: PersistentVolume | None) -> Iterator[str]:
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
    for index, term in enumerate(required.nodeSelectorTerms if required else ()):
        yield from of_node_selector_term(term, here.at("nodeAffinity", "required", "nodeSelectorTerms", index))
    for field, (name, fate) in GONE.items():
        if getattr(new.spec, field, None) is not None:
            yield f"{here.at(name).path}: {fate}"
    yield from of_fractions(new.spec.capacity, here.at("capacity"), ("storage",))
