"""Validation of the resize subresource: cpu and memory only, and no request may be removed (KEP-1287)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilothouse.api import wellknown
from pilothouse.api.core.podresources import restartable
from pilothouse.api.core.qos import qos_class
from pilothouse.api.types.core_v1 import Container, Pod, PodSpec, ResourceRequirements
from pilothouse.machinery.problems import Problems

RESIZABLE = ("cpu", "memory")
ONLY = "only cpu and memory resources"
KINDS = ("initContainers", "containers")
replace = msgspec.structs.replace


def validate_resize(old: Pod, new: Pod, problems: Problems) -> None:
    """CPU and memory may change within the Pod's QoS class, and nothing else. Upstream: ValidatePodResize."""
    spec = problems.at("spec")
    for refused, why in ((wellknown.CONFIG_MIRROR in old.metadata.annotations, "static"), (_is_windows(old), "windows")):
        if refused:
            problems.found[:] = []  # upstream says this alone
            problems.at("[]").forbidden(f"{why} pods cannot be resized")
            return
    before = len(problems.found)
    if (old.status.qosClass or qos_class(old)) != qos_class(new):
        spec.invalid(new.status.qosClass, "Pod QOS Class may not change as a result of resizing")
    if not _reports_resources(old):
        spec.forbidden("Pod running on node without support for resize")
    rest = replace(new.spec)
    if any(_asks(pod.spec) for pod in (old, new)):
        _validate_pod_level(old.spec, rest, spec)
    if _validate_order(old.spec, new.spec, spec):
        return
    for field in KINDS:
        for index, (first, second) in enumerate(zip(getattr(old.spec, field), getattr(new.spec, field), strict=True)):
            _validate_container(first.resources, second, spec.at(field, index, "resources"))
    for field in reversed(KINDS):
        setattr(rest, field, [_masked(*pair, field, index, spec) for index, pair in enumerate(_pairs(old, rest, field))])
    if len(problems.found) == before and rest != old.spec:
        spec.forbidden(f"{ONLY} are mutable")


def _is_windows(pod: Pod) -> bool:
    return pod.spec.os is not None and pod.spec.os.name == "windows"


def _asks(spec: PodSpec) -> bool:
    return spec.resources is not None and bool(spec.resources.requests or spec.resources.limits)


def _pairs(old: Pod, rest: PodSpec, field: str) -> list[tuple[Container, Container]]:
    return list(zip(getattr(old.spec, field), getattr(rest, field), strict=True))


def _reports_resources(pod: Pod) -> bool:
    """Whether its node knows of resizing: it then says what its running containers have."""
    running = next((status for status in pod.status.containerStatuses if status.state.running), None)
    return running is None or running.resources is not None


def _validate_pod_level(old: PodSpec, rest: PodSpec, spec: Problems) -> None:
    here = spec.at("resources")
    if old.resources is not None and rest.resources is None:
        here.forbidden("pod-level resources cannot be removed")
        return
    if old.resources is not None and rest.resources is not None:
        for field in ("requests", "limits"):
            if _removed(getattr(rest.resources, field), getattr(old.resources, field)):
                here.at(field).forbidden(f"pod-level resource {field} cannot be removed")
    if rest.resources is not None:
        rest.resources = _without_resizable(old.resources or ResourceRequirements(), rest.resources)
    if rest.resources != old.resources:
        spec.forbidden(f"{ONLY} are mutable at pod-level")


def _validate_order(old: PodSpec, new: PodSpec, spec: Problems) -> bool:
    """Whether containers were added, removed, renamed or moved: then they cannot be compared."""
    before = len(spec.found)
    for field in reversed(KINDS):
        first, second = getattr(old, field), getattr(new, field)
        if len(first) != len(second):
            spec.at(field).forbidden(f"{field} may not be added or removed on resize")
            continue
        for index, (was, now) in enumerate(zip(first, second, strict=True)):
            if was.name != now.name:
                spec.at(field, index, "name").forbidden(f"{field} may not be renamed or reordered on resize")
    return len(spec.found) > before


def _removed(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    return not old.keys() <= new.keys()


def _validate_container(old: ResourceRequirements, new: Container, problems: Problems) -> None:
    for field in ("requests", "limits"):
        if _removed(getattr(new.resources, field), getattr(old, field)):
            problems.at(field).forbidden(f"resource {field} cannot be removed")


def _masked(old: Container, new: Container, field: str, index: int, spec: Problems) -> Container:
    """The new container with what a resize may change put back; anything else that changed is reported."""
    changed = old != new
    new = replace(new, resources=_without_resizable(old.resources, new.resources))
    if new != old:
        if field == "containers":
            spec.forbidden(f"{ONLY} are mutable")
        else:
            spec.at(field, index).forbidden(f"{ONLY} for init or sidecar containers are mutable")
    if field == "initContainers" and changed and not restartable(new):
        for policy in new.resizePolicy:
            if policy.restartPolicy == "RestartContainer":
                message = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
                spec.at(field, index).forbidden(message)
    return new


def _without_resizable(old: ResourceRequirements, new: ResourceRequirements) -> ResourceRequirements:
    def restored(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
        rest = {name: value for name, value in after.items() if name not in RESIZABLE}
        return rest | {name: before[name] for name in RESIZABLE if name in before}

    limits, requests = restored(old.limits, new.limits), restored(old.requests, new.requests)
    return ResourceRequirements(limits=limits, requests=requests, claims=new.claims)
