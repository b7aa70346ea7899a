"""Dropping of fields of disabled features (upstream's dropDisabledFields), for all kinds.

- A field is dropped from a new object, and from an update unless the old object already uses the feature.
- `OFF` is the data: feature gate -> its fields, each as type and field of the table (fields.py).
- What is left of a Lifecycle without a field is dropped with it, as upstream does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from pilothouse.api.fields import json_fields, table, type_name
from pilothouse.machinery.codec import clone

OFF: Mapping[str, tuple[str, ...]] = {
    "AtomicWriteVolumeUserFields": (
        "core/v1.ClusterTrustBundleProjection.user",
        "core/v1.ConfigMapVolumeSource.defaultUser",
        "core/v1.DownwardAPIVolumeFile.user",
        "core/v1.DownwardAPIVolumeSource.defaultUser",
        "core/v1.KeyToPath.user",
        "core/v1.PodCertificateProjection.user",
        "core/v1.ProjectedVolumeSource.defaultUser",
        "core/v1.SecretVolumeSource.defaultUser",
        "core/v1.ServiceAccountTokenProjection.user",
    ),
    "CSIVolumeHealth": (
        "core/v1.PersistentVolumeClaimStatus.healthStatus",
        "core/v1.PodStatus.volumeHealth",
        "storage/v1.CSINodeStatus.storageHealth",
    ),
    "ContainerStopSignals": ("core/v1.Lifecycle.stopSignal",),
    "DRADerivedAttributes": ("resource/v1.DeviceSubRequest.derivedAttributes", "resource/v1.ExactDeviceRequest.derivedAttributes"),
    "DRADeviceCompatibilityGroups": ("resource/v1.DeviceCounterConsumption.compatibilityGroups",),
    "DRAListTypeAttributes": (
        "resource/v1.DeviceAttribute.bools",
        "resource/v1.DeviceAttribute.ints",
        "resource/v1.DeviceAttribute.strings",
        "resource/v1.DeviceAttribute.versions",
    ),
    "DRANodeAllocatableResources": (
        "core/v1.PodStatus.nodeAllocatableResourceClaimStatuses",
        "resource/v1.Device.nodeAllocatableResources",
    ),
    "DRAOptionalNodeOperations": (
        "resource/v1.DeviceRequestAllocationResult.skipNodeOperations",
        "resource/v1.ResourceSliceSpec.skipNodeOperations",
    ),
    "DRAPartitionableDevicesType": ("resource/v1.ResourceSliceSpec.partitionTypeAttribute",),
    "DynamicKubeletConfig": ("core/v1.NodeSpec.configSource", "core/v1.NodeStatus.config"),
    "EmptyDirVolumeMode": ("core/v1.EmptyDirVolumeSource.mode",),
    "EvictionRequestAPI": ("core/v1.PodSpec.evictionResponders",),
    "GRPCContainerProbeTLS": ("core/v1.GRPCAction.mode",),
    "GenericWorkload": ("core/v1.PodSpec.schedulingGroup",),
    "H2CContainerProbe": ("core/v1.HTTPGetAction.protocol",),
    "ImageVolumeWithDigest": ("core/v1.VolumeMountStatus.volumeStatus",),
    "InPlacePodVerticalScalingSchedulerPreemption": ("core/v1.NodeSpec.podPreemptionPolicy",),
    "VolumeBindMountOptions": ("core/v1.VolumeMount.bindMountOptions",),
    "WorkloadWithJob": ("batch/v1.JobSpec.scheduling",),
}
ENDS_EMPTY = "core/v1.Lifecycle"
Note = Callable[[Any, set[str]], None]


def _lines(*lines: str) -> Callable[[str], list[str]]:
    return lambda field: [line.format(field=field) for line in lines]


NOTE_STRUCT = _lines("    value = obj.{field}", "    if value is not None: note_{field}(value, features)")
NOTE_BELOW = {
    "[": _lines("    for part in obj.{field} or (): note_{field}(part, features)"),
    "map[string": _lines("    for part in obj.{field}.values(): note_{field}(part, features)"),
}
"""How Python looks below a field: of a list, of a map."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Disabled fields of one type, as (field, feature), and fields that lead to others, as (field, their plan).

    `note(object, features)` adds the features whose fields are in use.
    """

    off: tuple[tuple[str, str], ...]
    below: tuple[tuple[str, Plan], ...]
    ends_empty: bool
    note: Note


@cache
def _gates() -> Mapping[str, Mapping[str, str]]:
    """Type -> field -> feature."""
    gates: dict[str, dict[str, str]] = {}
    for feature, fields in OFF.items():
        for full in fields:
            of_type, _, field = full.rpartition(".")
            gates.setdefault(of_type, {})[field] = feature
    return gates


@cache
def plan_of(name: str, above: frozenset[str] = frozenset()) -> Plan | None:
    """The plan of a type by its name in the table; None where nothing below it is off. Types that hold themselves are left out."""
    if name in above or name not in table():
        return None
    gated = _gates().get(name, {})
    below = []
    lines = ["def note(obj, features):"]
    names: dict[str, Any] = {}
    for each in json_fields(name):
        if feature := gated.get(each.json):
            test = " is not None" if each.pointer else ""
            lines.append(f"    if obj.{each.json}{test}: features.add({feature!r})")
        inner = plan_of(each.go.rpartition("]")[2].lstrip("*"), above | {name})
        if inner is not None:
            below.append((each.json, inner))
            names[f"note_{each.json}"] = inner.note
            lines += NOTE_BELOW[each.go.partition("]")[0]](each.json) if "]" in each.go else NOTE_STRUCT(each.json)
    if not gated and not below:
        return None
    exec("\n".join(lines), names)  # of names in our own tables: walking by data costs five times as much, for every object written
    return Plan(tuple(gated.items()), tuple(below), name == ENDS_EMPTY, names["note"])


@cache
def _plan_of_kind(kind: type[Any]) -> Plan | None:
    return plan_of(type_name(kind))


def drop_disabled(new: Any, old: Any | None = None) -> Any:
    """Take from `new`, which is the caller's own, the fields of features that are off and that `old` does not use.

    Gives a copy of an updated object as it was before, which says who owns what, or None where nothing is taken.
    """
    kind: Any = type(new)
    plan = _plan_of_kind(kind) if issubclass(kind, msgspec.Struct) else None  # kinds made at run time are not remembered
    if plan is None:
        return None
    used: set[str] = set()
    if old is None:
        plan.note(new, used)
    else:
        for field, inner in plan.below:
            if (value := getattr(new, field)) is not getattr(old, field):  # what is shared is used by both
                inner.note(value, used)
    if used and old is not None:
        before: set[str] = set()
        plan.note(old, before)
        used -= before
    if not used:
        return None
    before_drop = clone(new) if old is not None else None
    _drop(new, plan, used)
    return before_drop


def _parts(value: Any) -> Any:
    if not value:
        return ()
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else (value,)


def _drop(obj: Any, plan: Plan, features: set[str]) -> None:
    for field, feature in plan.off:
        if feature in features:
            setattr(obj, field, getattr(type(obj)(), field))
    for field, inner in plan.below:
        value = getattr(obj, field)
        may_end = inner.ends_empty and value is not None and value != type(value)()
        for part in _parts(value):
            _drop(part, inner, features)
        if may_end and value == type(value)():
            setattr(obj, field, None)
