"""Validation of writes to a Pod's status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.api.core.podresources import restartable
from pilothouse.api.core.restartrules import could_restart_all, should_restart
from pilothouse.api.core.validation.addresses import ONE_A_FAMILY, dual_stack, validate_address
from pilothouse.api.core.validation.annotations import validate_annotations_kept
from pilothouse.api.core.validation.fields import immutable, report
from pilothouse.api.types.core_v1 import Container, ContainerStatus, Pod
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
HEALTH = ("Healthy", "Unhealthy", "Unknown")
NO_REQUEST = "must match one of the container's resource requests"
NO_CLAIM = (
    "must match one of the container's resource claims as 'claim:<claimName>/<requestName>' when container.resources.claims[*].request "
    "is set or 'claim:<claimName>' when it is empty"
)
LARGEST_UID, LARGEST_GID = 2**32 - 1, 2**31 - 1


def validate_pod_status(old: Pod, new: Pod, problems: Problems) -> None:
    """Conditions, nominated node, resource claims and restarts of containers. Upstream: ValidatePodStatusUpdate."""
    validate_annotations_kept(old.metadata.annotations, new.metadata.annotations, problems.at("metadata", "annotations"))
    here, status = problems.at("status"), new.status
    for index, condition in enumerate(status.conditions):
        if (condition.observedGeneration or 0) < 0:
            where = here.at("conditions", index, "observedGeneration")
            where.invalid(condition.observedGeneration, "must be a non-negative integer")
        if condition.type not in SYSTEM_CONDITIONS:
            report(names.qualified_name(condition.type), condition.type, here, "conditions", index, "Type")
    if old.spec.nodeName != new.spec.nodeName:
        here.at("nodeName").forbidden("may not be changed directly")
    nominated = status.nominatedNodeName
    if nominated and nominated != old.status.nominatedNodeName:
        report(names.dns_subdomain(nominated), nominated, here, "nominatedNodeName")
        if old.spec.nodeName:
            here.at("nominatedNodeName").forbidden("may not be set on pods that are already bound to a node")
    if (status.observedGeneration or 0) < 0:
        here.at("observedGeneration").invalid(status.observedGeneration, "must be a non-negative integer")
    immutable(status.qosClass, old.status.qosClass, here, "qosClass")
    sidecars = {container.name for container in old.spec.initContainers if restartable(container)}
    for field, containers in zip(STATUSES, (old.spec.containers, old.spec.initContainers, ()), strict=True):
        excepted = sidecars if field == "initContainerStatuses" else set()
        known = {container.name: container for container in containers if container.name not in excepted}
        if not could_restart_all([*old.spec.containers, *old.spec.initContainers]) or not containers:
            policy = old.spec.restartPolicy
            _validate_transitions(getattr(old.status, field), getattr(status, field), policy, known, excepted, here.at(field))
    _validate_claims(new, here.at("resourceClaimStatuses"))
    _validate_all_addresses(old, new, here)
    windows = new.spec.os is not None and new.spec.os.name == "windows"
    for field in STATUSES:
        for index, container in enumerate(getattr(status, field)):
            _validate_user(container, windows, here.at(field, index, "user", "linux"))
    for field, containers in zip(STATUSES[:2], (new.spec.containers, new.spec.initContainers), strict=True):
        _validate_allocated(getattr(status, field), containers, here.at(field))
    for index, container in enumerate(status.ephemeralContainerStatuses):
        if container.allocatedResourcesStatus:
            where = here.at("ephemeralContainerStatuses", index, "allocatedResourcesStatus")
            where.forbidden("must not be specified in container status")


def _validate_claims(pod: Pod, problems: Problems) -> None:
    known, seen = {claim.name for claim in pod.spec.resourceClaims}, set()
    for index, claim in enumerate(pod.status.resourceClaimStatuses):
        here = problems.at(index, "name")
        if claim.name not in known:
            here.invalid(claim.name, "must match the name of an entry in `spec.resourceClaims`")
        if claim.name in seen:
            here.duplicate(claim.name)
        seen.add(claim.name)
        if claim.resourceClaimName:
            report(names.dns_subdomain(claim.resourceClaimName), claim.resourceClaimName, problems, index, "resourceClaimName")


def _validate_transitions(
    old: list[ContainerStatus],
    new: list[ContainerStatus],
    policy: str | None,
    containers: Mapping[str, Container],
    excepted: set[str],
    problems: Problems,
) -> None:
    """What has ended for good does not come back; ephemeral containers (of which `containers` has none) never do."""
    running = {status.name for status in new if status.state.terminated is None}
    for index, status in enumerate(old):
        ended = status.state.terminated
        container = containers.get(status.name)
        again = ended is not None and container is not None and should_restart(container, policy, ended.exitCode)
        if ended is None or status.name in excepted or again:
            continue
        if status.name in running:
            problems.at(index, "state").forbidden("may not be transitioned to non-terminated state")


def _validate_all_addresses(old: Pod, new: Pod, here: Problems) -> None:
    kept = {address.ip for address in old.status.podIPs}
    _validate_addresses([address.ip for address in new.status.podIPs], kept, here.at("podIPs"))
    if new.status.hostIPs:
        if new.status.hostIP != new.status.hostIPs[0].ip:
            here.at("hostIPs", 0, "ip").invalid(new.status.hostIPs[0].ip, "must be equal to `hostIP`")
        kept = {address.ip for address in old.status.hostIPs}
        _validate_addresses([address.ip for address in new.status.hostIPs], kept, here.at("hostIPs"))


def _validate_addresses(addresses: list[str], kept: set[str], problems: Problems) -> None:
    """`kept`: addresses that were there before, and may stay whatever they are."""
    for index, address in enumerate(addresses):
        if address not in kept:
            validate_address(address, problems.at(index))
    if len(addresses) > 2 or (len(addresses) > 1 and not dual_stack(addresses)):
        problems.invalid([{"IP": address} for address in addresses], ONE_A_FAMILY)


def _validate_user(status: ContainerStatus, windows: bool, problems: Problems) -> None:
    user = status.user.linux if status.user else None
    if user is None:
        return
    if windows:
        problems.forbidden("cannot be set for a windows pod")
        return
    report(names.in_range(user.uid, 0, LARGEST_UID), user.uid, problems, "uid")
    report(names.in_range(user.gid, 0, LARGEST_GID), user.gid, problems, "gid")
    for index, group in enumerate(user.supplementalGroups):
        report(names.in_range(group, 0, LARGEST_GID), group, problems, "supplementalGroups", index)


def _validate_allocated(statuses: list[ContainerStatus], containers: Iterable[Container], problems: Problems) -> None:
    """The health of devices is told for what the container asked for."""
    by_name = {container.name: container for container in containers}
    for index, status in enumerate(statuses):
        container = by_name.get(status.name)
        for position, resource in enumerate(status.allocatedResourcesStatus):
            here = problems.at(index, "allocatedResourcesStatus", position)
            if container is not None:
                claims = {f"claim:{claim.name}" + (f"/{claim.request}" if claim.request else "") for claim in container.resources.claims}
                is_claim = resource.name.startswith("claim:")
                if resource.name not in (claims if is_claim else container.resources.requests):
                    here.at("name").invalid(resource.name, NO_CLAIM if is_claim else NO_REQUEST)
            seen: set[str] = set()
            for number, health in enumerate(resource.resources):
                if (health.health or "") not in HEALTH:
                    here.at("resources", number, "health").not_supported(health.health or "", HEALTH)
                if health.resourceID in seen:
                    here.at("resources", number, "resourceID").duplicate(health.resourceID)
                seen.add(health.resourceID)
