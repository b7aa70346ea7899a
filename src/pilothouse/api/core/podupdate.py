"""What may change of a Pod: its images, tolerations that are added, deadlines that get shorter, gates that go, and its status.

`validate_ephemeral_update` and `validate_resize` are for the subresources of those names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pilothouse.api.core.podresources import restartable
from pilothouse.api.core.qos import qos_class
from pilothouse.api.core.validation.addresses import ONE_A_FAMILY, dual_stack, validate_address
from pilothouse.api.core.validation.annotations import MIRROR, validate_annotations_kept
from pilothouse.api.core.validation.containers import PADDED
from pilothouse.api.core.validation.fields import INT32, immutable, report
from pilothouse.api.types.core_v1 import (
    Affinity,
    Container,
    ContainerStatus,
    NodeAffinity,
    Pod,
    PodSpec,
    ResourceRequirements,
    Toleration,
)
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

UPDATABLE = ",".join(
    (
        "`spec.containers[*].image`",
        "`spec.initContainers[*].image`",
        "`spec.activeDeadlineSeconds`",
        "`spec.tolerations` (only additions to existing tolerations)",
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )
)
SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
RESIZABLE = ("cpu", "memory")
replace = msgspec.structs.replace


def validate_pod_update(old: Pod, new: Pod, problems: Problems) -> None:
    validate_annotations_kept(old.metadata.annotations, new.metadata.annotations, problems.at("metadata", "annotations"))
    spec = problems.at("spec")
    for field in ("containers", "initContainers"):
        if not _validate_images(getattr(old.spec, field), getattr(new.spec, field), spec.at(field)):
            return
    if not _validate_deadline(old.spec, new.spec, spec.at("activeDeadlineSeconds")):
        return
    _validate_tolerations(old.spec.tolerations, new.spec.tolerations, spec.at("tolerations"))
    before = {gate.name for gate in old.spec.schedulingGates}
    for index, gate in enumerate(new.spec.schedulingGates):
        if gate.name not in before:
            message = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            spec.at("schedulingGates", index, "name").forbidden(message)
    if old.spec == new.spec:
        return
    rest = _without_updatable(old.spec, new.spec)
    if old.spec.schedulingGates:
        rest = _without_gated(old.spec, rest, spec)
    if rest != old.spec:
        spec.forbidden(f"pod updates may not change fields other than {UPDATABLE}\n{difference(old.spec, rest)}")


def _validate_images(old: Sequence[Container], new: Sequence[Container], problems: Problems) -> bool:
    if len(old) != len(new):
        problems.forbidden("pod updates may not add or remove containers")
        return False
    for index, one in enumerate(new):
        here = problems.at(index, "image")
        if not one.image:
            here.required()
        if one.image.strip() != one.image:
            here.invalid(one.image, PADDED)
    return True


def _validate_deadline(old: PodSpec, new: PodSpec, problems: Problems) -> bool:
    before, after = old.activeDeadlineSeconds, new.activeDeadlineSeconds
    if after is None:
        if before is not None:
            problems.invalid(None, "must not update from a positive integer to nil value")
        return True
    found = names.in_range(after, 0, INT32)
    report(found, after, problems)
    if not found and before is not None and before < after:
        problems.invalid(after, "must be less than or equal to previous value")
        return False
    return not found


def _validate_tolerations(old: list[Toleration], new: list[Toleration], problems: Problems) -> None:
    kept = [replace(one, tolerationSeconds=None) for one in new]
    if any(replace(one, tolerationSeconds=None) not in kept for one in old):
        problems.forbidden("existing toleration can not be modified except its tolerationSeconds")


def _without_updatable(old: PodSpec, new: PodSpec) -> PodSpec:
    """The new spec with every field that may change put back."""
    grace = new.terminationGracePeriodSeconds
    if (old.terminationGracePeriodSeconds or 0) < 0 and grace == 1:
        grace = old.terminationGracePeriodSeconds
    return replace(
        new,
        containers=[replace(after, image=before.image) for before, after in zip(old.containers, new.containers, strict=True)],
        initContainers=[replace(after, image=before.image) for before, after in zip(old.initContainers, new.initContainers, strict=True)],
        activeDeadlineSeconds=old.activeDeadlineSeconds,
        schedulingGates=old.schedulingGates,
        tolerations=old.tolerations,
        terminationGracePeriodSeconds=grace,
    )


def _without_gated(old: PodSpec, new: PodSpec, problems: Problems) -> PodSpec:
    """As long as a Pod is gated, where it may run can still be narrowed."""
    for key, value in old.nodeSelector.items():
        if new.nodeSelector.get(key) != value:
            message = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            problems.at("nodeSelector").invalid(new.nodeSelector, message)
            break
    before = old.affinity.nodeAffinity if old.affinity else None
    after = new.affinity.nodeAffinity if new.affinity else None
    affinity = new.affinity
    if before != after:
        _validate_narrowed(before, after, problems.at("affinity", "nodeAffinity"))
        affinity = replace(new.affinity or Affinity(), nodeAffinity=before)
        if affinity == Affinity() and old.affinity is None:
            affinity = None
    return replace(new, nodeSelector=old.nodeSelector, affinity=affinity)


def _validate_narrowed(old: NodeAffinity | None, new: NodeAffinity | None, problems: Problems) -> None:
    before = old.requiredDuringSchedulingIgnoredDuringExecution if old else None
    if before is None:
        return
    here = problems.at("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    after = new.requiredDuringSchedulingIgnoredDuringExecution if new else None
    terms = after.nodeSelectorTerms if after else []
    if len(terms) != len(before.nodeSelectorTerms):
        here.invalid(terms, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        return
    for index, (first, second) in enumerate(zip(before.nodeSelectorTerms, terms, strict=True)):
        for field in ("matchExpressions", "matchFields"):
            kept = getattr(second, field)[: len(getattr(first, field))]
            if kept != getattr(first, field):
                here.at(index).invalid(second, "only additions are allowed (no mutations or deletions)")


def difference(old: Any, new: Any) -> str:
    """The fields of two structs that differ, a line each way."""
    lines: list[str] = []
    for field in type(old).__struct_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            lines += [f"- {field}: {msgspec.json.encode(before).decode()}", f"+ {field}: {msgspec.json.encode(after).decode()}"]
    return "\n".join(lines) + "\n"


def validate_pod_status(old: Pod, new: Pod, problems: Problems) -> None:
    validate_annotations_kept(old.metadata.annotations, new.metadata.annotations, problems.at("metadata", "annotations"))
    here = problems.at("status")
    for index, condition in enumerate(new.status.conditions):
        if condition.type not in SYSTEM_CONDITIONS:
            where = problems.at("metadata", "conditions", index, "Type")  # upstream's own path
            report(names.qualified_name(condition.type), condition.type, where)
    if old.spec.nodeName != new.spec.nodeName:
        here.at("nodeName").forbidden("may not be changed directly")
    nominated = new.status.nominatedNodeName
    if nominated and nominated != old.status.nominatedNodeName:
        report(names.dns_subdomain(nominated), nominated, here, "nominatedNodeName")
    immutable(new.status.qosClass, old.status.qosClass, here, "qosClass")
    sidecars = {one.name for one in old.spec.initContainers if restartable(one)}
    policies = {"containerStatuses": old.spec.restartPolicy, "initContainerStatuses": old.spec.restartPolicy}
    for field, policy in (*policies.items(), ("ephemeralContainerStatuses", "Never")):
        excepted = sidecars if field == "initContainerStatuses" else set()
        _validate_transitions(getattr(old.status, field), getattr(new.status, field), policy, excepted, here.at(field))
    _validate_claims(new, here.at("resourceClaimStatuses"))
    _validate_addresses([one.ip for one in new.status.podIPs], here.at("podIPs"))
    if new.status.hostIPs:
        if new.status.hostIP != new.status.hostIPs[0].ip:
            here.at("hostIPs", 0, "ip").invalid(new.status.hostIPs[0].ip, "must be equal to `hostIP`")
        _validate_addresses([one.ip for one in new.status.hostIPs], here.at("hostIPs"))


def _validate_claims(pod: Pod, problems: Problems) -> None:
    known, seen = {one.name for one in pod.spec.resourceClaims}, set()
    for index, one in enumerate(pod.status.resourceClaimStatuses):
        here = problems.at(index, "name")
        if one.name not in known:
            here.invalid(one.name, "must match the name of an entry in `spec.resourceClaims`")
        if one.name in seen:
            here.duplicate(one.name)
        seen.add(one.name)
        if one.resourceClaimName:
            report(names.dns_subdomain(one.resourceClaimName), one.resourceClaimName, here)


def _validate_transitions(
    old: list[ContainerStatus], new: list[ContainerStatus], policy: str, excepted: set[str], problems: Problems
) -> None:
    """What has ended for good does not come back."""
    if policy == "Always":
        return
    running = {one.name for one in new if one.state.terminated is None}
    for index, one in enumerate(old):
        ended = one.state.terminated
        if ended is None or one.name in excepted or (ended.exitCode != 0 and policy == "OnFailure"):
            continue
        if one.name in running:
            problems.at(index, "state").forbidden("may not be transitioned to non-terminated state")


def _validate_addresses(addresses: list[str], problems: Problems) -> None:
    for index, address in enumerate(addresses):
        validate_address(address, problems.at(index))
        if address in addresses[:index]:
            problems.at(index).duplicate({"ip": address})
    if len(addresses) > 2 or (len(addresses) > 1 and not dual_stack(addresses)):
        problems.invalid([{"ip": one} for one in addresses], ONE_A_FAMILY)


def validate_ephemeral_update(old: Pod, new: Pod, problems: Problems) -> None:
    """Ephemeral containers are added; those that are there stay as they are."""
    if MIRROR in old.metadata.annotations:
        problems.forbidden("static pods do not support ephemeral containers")
        return
    here = problems.at("spec", "ephemeralContainers")
    after = {one.name: one for one in new.spec.ephemeralContainers}
    for one in old.spec.ephemeralContainers:
        if one.name not in after:
            here.forbidden(f'existing ephemeral containers "{one.name}" may not be removed\n')
        elif after[one.name] != one:
            shown = difference(one, after[one.name])
            here.forbidden(f'existing ephemeral containers "{one.name}" may not be changed\n{shown}')


def validate_resize(old: Pod, new: Pod, problems: Problems) -> None:
    """Only cpu and memory of containers that run on change, and nothing that was asked for goes."""
    if MIRROR in old.metadata.annotations:
        problems.forbidden("static pods cannot be resized")
        return
    if any(pod.spec.resources and (pod.spec.resources.requests or pod.spec.resources.limits) for pod in (old, new)):
        problems.forbidden("pods with pod-level resources cannot be resized")
        return
    if old.spec.os and old.spec.os.name == "windows":
        problems.forbidden("windows pods cannot be resized")
        return
    spec = problems.at("spec")
    if not _reports_resources(old):
        spec.forbidden("Pod running on node without support for resize")
    if (old.status.qosClass or qos_class(old)) != qos_class(new):
        spec.invalid(new.status.qosClass, "Pod QOS Class may not change as a result of resizing")
    for field in ("initContainers", "containers"):
        pairs = zip(getattr(old.spec, field), getattr(new.spec, field), strict=False)
        for index, (before, after) in enumerate(pairs):
            if field == "containers" or restartable(before):
                _validate_container_resize(before, after, spec.at(field, index, "resources"))
                if _without_resizable(before, after) != before:
                    called = "cpu and memory resources" + ("" if field == "containers" else " for sidecar containers")
                    spec.forbidden(f"only {called} are mutable")
            elif before != after:
                spec.forbidden("resources for non-sidecar init containers are immutable")
    blank: dict[str, Any] = {"containers": [], "initContainers": []}
    if replace(old.spec, **blank) != replace(new.spec, **blank) or len(old.spec.containers) != len(new.spec.containers):
        spec.forbidden("only cpu and memory resources are mutable")


def _reports_resources(pod: Pod) -> bool:
    """Whether its node knows of resizing: it then says what its running containers have."""
    running = next((one for one in pod.status.containerStatuses if one.state.running), None)
    return running is None or running.resources is not None


def _validate_container_resize(old: Container, new: Container, problems: Problems) -> None:
    for field in ("requests", "limits"):
        if not getattr(old.resources, field).keys() <= getattr(new.resources, field).keys():
            problems.at(field).forbidden(f"resource {field} cannot be removed")


def _without_resizable(old: Container, new: Container) -> Container:
    def restored(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        rest = {name: value for name, value in after.items() if name not in RESIZABLE}
        return rest | {name: before[name] for name in RESIZABLE if name in before}

    resources = ResourceRequirements(
        limits=restored(old.resources.limits, new.resources.limits),
        requests=restored(old.resources.requests, new.resources.requests),
        claims=new.resources.claims,
    )
    return replace(new, resources=resources)
