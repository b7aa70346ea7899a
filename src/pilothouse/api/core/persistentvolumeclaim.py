"""PersistentVolumeClaim: a request for storage."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pilothouse.api import wellknown
from pilothouse.api.core.columns import UNSET
from pilothouse.api.core.defaults.quantities import canonicalise
from pilothouse.api.core.defaults.volumes import default_claim
from pilothouse.api.core.storagecells import access_modes, volume_class
from pilothouse.api.core.validation.claims import validate_claim_spec
from pilothouse.api.core.validation.fields import immutable, report
from pilothouse.api.core.validation.resources import is_native
from pilothouse.api.core.warnings.volumes import of_claim_spec
from pilothouse.api.internal import difference
from pilothouse.api.types.core_v1 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    TypedLocalObjectReference,
    TypedObjectReference,
    VolumeResourceRequirements,
)
from pilothouse.machinery import names, quantity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import Strategy

OLD_SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))
RESIZES = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending",
)  # fmt: skip
FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"

PERSISTENTVOLUMECLAIM = Resource(
    PersistentVolumeClaim,
    plural="persistentvolumeclaims",
    short_names=("pvc",),
    subresources=(STATUS,),
    columns=(
        Column("Status", lambda claim: "Terminating" if claim.metadata.deletionTimestamp else claim.status.phase),
        Column("Volume", lambda claim: claim.spec.volumeName),
        Column("Capacity", lambda claim: str(claim.status.capacity.get("storage", "0")) if claim.spec.volumeName else ""),
        Column("Access Modes", lambda claim: access_modes(claim.status.accessModes) if claim.spec.volumeName else ""),
        Column("StorageClass", lambda claim: volume_class(claim, claim.spec.storageClassName), description="StorageClass of the pvc"),
        Column("VolumeAttributesClass", lambda claim: claim.spec.volumeAttributesClassName or UNSET),
        AGE,
        Column("VolumeMode", lambda claim: claim.spec.volumeMode or UNSET, priority=1),
    ),
    strategy=Strategy(validates_generate_name=True, generation=None, returns_deleted_object=True),
)


@PERSISTENTVOLUMECLAIM.default
def default(claim: PersistentVolumeClaim) -> None:
    """Phase Pending, and the defaults of the spec. Upstream: SetDefaults_PersistentVolumeClaim."""
    claim.status.phase = claim.status.phase or "Pending"
    canonicalise(claim.status.capacity)
    default_claim(claim.spec)


@PERSISTENTVOLUMECLAIM.prepare_create
def prepare_create(claim: PersistentVolumeClaim) -> None:
    """Reset the phase to Pending, and keep `dataSource` and `dataSourceRef` consistent."""
    claim.status.phase = "Pending"
    _normalize_data_sources(claim.spec, None)


@PERSISTENTVOLUMECLAIM.prepare_update
def prepare_update(old: PersistentVolumeClaim, new: PersistentVolumeClaim) -> None:
    """Keep `dataSource` and `dataSourceRef` consistent, as far as they were given."""
    _normalize_data_sources(new.spec, old.spec)


def _normalize_data_sources(spec: PersistentVolumeClaimSpec, old: PersistentVolumeClaimSpec | None) -> None:
    """Copy `dataSource` to `dataSourceRef` or back, as NormalizeDataSources does; `dataSource` names a claim or a snapshot.

    Sources of another namespace are an alpha feature of upstream: a `dataSourceRef` with a namespace is dropped.
    """
    if spec.dataSourceRef and spec.dataSourceRef.namespace and not (old and old.dataSourceRef):
        spec.dataSourceRef = None
    source = spec.dataSource
    if source and not (old and old.dataSource) and not spec.dataSourceRef and (source.apiGroup or "", source.kind) not in OLD_SOURCES:
        spec.dataSource = None
    if spec.dataSource and not spec.dataSourceRef:
        data_source = spec.dataSource
        spec.dataSourceRef = TypedObjectReference(apiGroup=data_source.apiGroup, kind=data_source.kind, name=data_source.name)
    elif spec.dataSourceRef and not spec.dataSource and not spec.dataSourceRef.namespace:
        ref = spec.dataSourceRef
        spec.dataSource = TypedLocalObjectReference(apiGroup=ref.apiGroup, kind=ref.kind, name=ref.name)


@PERSISTENTVOLUMECLAIM.validate
def validate(claim: PersistentVolumeClaim, problems: Problems) -> None:
    """Rules of the spec. Upstream: ValidatePersistentVolumeClaim."""
    validate_claim_spec(claim.spec, problems.at("spec"))


@PERSISTENTVOLUMECLAIM.validate_update
def validate_update(old: PersistentVolumeClaim, new: PersistentVolumeClaim, problems: Problems) -> None:
    """A claim is bound once, and then may grow."""
    bound = new.status.phase == "Bound"
    requests = dict(new.spec.resources.requests)
    if bound and "storage" in old.spec.resources.requests:
        requests["storage"] = old.spec.resources.requests["storage"]
    # A claim without a class may get the default one afterwards; one with the annotation of old, that one.
    same_class = old.metadata.annotations.get(wellknown.STORAGE_CLASS_BETA) in (None, new.spec.storageClassName)
    before = msgspec.structs.replace(old.spec, volumeName=old.spec.volumeName or new.spec.volumeName)
    after = msgspec.structs.replace(
        new.spec,
        resources=VolumeResourceRequirements(limits=new.spec.resources.limits, requests=requests),
        storageClassName=new.spec.storageClassName if old.spec.storageClassName is not None or not same_class else None,
        volumeAttributesClassName=old.spec.volumeAttributesClassName if bound else new.spec.volumeAttributesClassName,
    )
    if before != after:
        problems.at("spec").forbidden(FIXED + difference(before, after, "core.PersistentVolumeClaimSpec"))
    wished, held = new.spec.resources.requests.get("storage", 0), old.spec.resources.requests.get("storage", 0)
    here = problems.at("spec", "resources", "requests", "storage")
    if quantity.compare(wished, held) < 0 and quantity.compare(wished, old.status.capacity.get("storage", 0)) <= 0:
        here.forbidden("field can not be less than status.capacity")
    immutable(new.spec.volumeMode, old.spec.volumeMode, problems, "volumeMode")
    after_class, before_class = (claim.metadata.annotations.get(wellknown.STORAGE_CLASS_BETA, "") for claim in (new, old))
    immutable(after_class, before_class, problems, "metadata", "annotations", wellknown.STORAGE_CLASS_BETA)
    if old.spec.volumeAttributesClassName is not None and not new.spec.volumeAttributesClassName:
        nothing = "nil" if new.spec.volumeAttributesClassName is None else "an empty string"
        problems.at("spec", "volumeAttributesClassName").forbidden(f"update from non-nil value to {nothing} is forbidden")


@PERSISTENTVOLUMECLAIM.validate_status
def validate_status(old: PersistentVolumeClaim, new: PersistentVolumeClaim, problems: Problems) -> None:
    """Amounts and resize states. Upstream: ValidatePersistentVolumeClaimStatusUpdate."""
    if not new.spec.accessModes:
        problems.at("Spec", "accessModes").required()
    for name, value in new.status.capacity.items():
        if quantity.compare(value, 0) < 0:
            problems.at("status", "capacity", f"[{name}]").invalid(quantity.parse(value).value, "must be a valid resource quantity")
    here = problems.at("status", "allocatedResourceStatuses")
    for name, state in new.status.allocatedResourceStatuses.items():
        _is_growing(name, here)
        if state not in RESIZES:
            here.not_supported(name, RESIZES)
    here = problems.at("status", "allocatedResources")
    for name, value in new.status.allocatedResources.items():
        if _is_growing(name, here) and quantity.compare(value, 0) < 0:
            here.at(f"[{name}]").invalid(quantity.parse(value).value, "must be a valid resource quantity")


def _is_growing(name: str, problems: Problems) -> bool:
    """Whether a resource is one that a claim may grow: its storage, or one of a domain of its own."""
    messages = names.qualified_name(name)
    report(messages, name, problems)
    if messages or name == "storage" or not is_native(name):
        return not messages
    problems.not_supported(name, ("storage",))
    return False


@PERSISTENTVOLUMECLAIM.warn
def warn(new: PersistentVolumeClaim, old: PersistentVolumeClaim | None) -> Iterator[str]:
    """Warnings for the beta annotation of the class, and for fractional bytes."""
    if wellknown.STORAGE_CLASS_BETA in new.metadata.annotations:
        yield f'metadata.annotations[{wellknown.STORAGE_CLASS_BETA}]: deprecated since v1.8; use "storageClassName" attribute instead'
    yield from of_claim_spec(new.spec, Problems("spec"))
