"""Rules of resource names and quantities."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.core.validation.fields import NEGATIVE, report
from pilothouse.api.types.core_v1 import ResourceClaim, ResourceRequirements
from pilothouse.machinery import names, quantity
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.struct import Quantity

CONTAINER = ("cpu", "memory", "ephemeral-storage")
COUNTED = frozenset(
    {
        "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
        "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    }
)  # fmt: skip
QUOTA = COUNTED | {
    "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage",
    "limits.cpu", "limits.memory", "limits.ephemeral-storage",
}  # fmt: skip
STANDARD = QUOTA | {"storage"}
POD_LEVEL = ("cpu", "memory")
HUGE = "hugepages-"


def is_huge(name: str) -> bool:
    """Whether the resource is huge pages (`hugepages-<size>`)."""
    return name.startswith(HUGE)


def is_native(name: str) -> bool:
    """Whether the resource is Kubernetes' own: no domain, or one of kubernetes.io."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """Whether the resource is an extended resource, as of a device plugin."""
    return not is_native(name) and not name.startswith("requests.") and not names.qualified_name(f"requests.{name}")


def may_overcommit(name: str) -> bool:
    """Whether limits of this resource may exceed its requests."""
    return is_native(name) and not is_huge(name)


def validate_resource_name(name: str, problems: Problems) -> bool:
    """A standard resource, or one with the domain of whoever defines it."""
    if name in STANDARD:
        return True
    messages = names.qualified_name(name)
    report(messages, name, problems)
    if not messages and "/" not in name and not is_huge(name.removeprefix("requests.")):
        problems.invalid(name, "must be a standard resource type or fully qualified")
        return False
    return not messages


def validate_container_resource_name(name: str, problems: Problems) -> None:
    """Name of a resource that a container may ask for. Upstream: ValidateContainerResourceName."""
    if name in CONTAINER:
        return
    validate_resource_name(name, problems)
    if "/" not in name:
        if not is_huge(name):
            problems.invalid(name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        problems.invalid(name, "doesn't follow extended resource name standard")


def validate_pod_resource_name(name: str, problems: Problems) -> None:
    """Name of a resource that may be set for a whole pod: cpu, memory, huge pages. Upstream: validatePodResourceName."""
    if validate_resource_name(name, problems) and name not in POD_LEVEL and not is_huge(name):
        problems.not_supported(name, ("cpu", HUGE, "memory"))


def validate_quota_resource_name(name: str, problems: Problems) -> None:
    """Name of a resource that a quota may limit. Upstream: ValidateResourceQuotaResourceName."""
    validate_resource_name(name, problems)
    if "/" not in name and name not in QUOTA and not is_huge(name.removeprefix("requests.")):
        problems.invalid(name, "must be a standard resource for quota")


def validate_quantity(name: str, value: Quantity, problems: Problems) -> quantity.Quantity | None:
    """The quantity of a resource: not negative, and whole where it counts things."""
    try:
        parsed = quantity.parse(value)
    except ValueError as error:
        problems.invalid(value, str(error))
        return None
    if parsed.nanos < 0:
        problems.invalid(str(parsed), NEGATIVE)
    if (name in COUNTED or is_extended(name)) and parsed.milli % 1000:
        problems.invalid(str(parsed), "must be an integer")
    return parsed


def validate_requirements(asked: ResourceRequirements, claims: frozenset[str], problems: Problems, pod_level: bool = False) -> None:
    """Limits and requests of a container or (`pod_level`) of a Pod as a whole."""
    check_name = validate_pod_resource_name if pod_level else validate_container_resource_name
    limits = _validate_list(asked.limits, problems.at("limits"), check_name)
    requests = _validate_list(asked.requests, problems.at("requests"), check_name)
    for name, value in requests.items():
        if name in limits:
            _compare(name, value, limits[name], problems.at("requests"))
        elif not may_overcommit(name):
            problems.at("limits").required("Limit must be set for non overcommitable resources")
    every = {*limits, *requests}
    if any(is_huge(name) for name in every) and not every & {"cpu", "memory"}:
        problems.forbidden("HugePages require cpu or memory")
    _validate_claims(asked.claims, claims, problems.at("claims"))


def _validate_list(resources: Mapping[str, Quantity], problems: Problems, check_name: object) -> dict[str, quantity.Quantity]:
    assert callable(check_name)
    quantities: dict[str, quantity.Quantity] = {}
    for name, value in resources.items():
        here = problems.at(f"[{name}]")
        check_name(name, here)
        parsed = validate_quantity(name, value, here)
        if parsed is not None:
            quantities[name] = parsed
            if is_huge(name):
                _validate_huge(name, parsed, here)
    return quantities


def _validate_huge(name: str, value: quantity.Quantity, problems: Problems) -> None:
    try:
        size = quantity.parse(name.removeprefix(HUGE)).value
    except ValueError:
        return
    if size <= 0 or value.value % size:
        problems.invalid(str(value), f"{value} is not positive integer multiple of {name}")


def _compare(name: str, request: quantity.Quantity, limit: quantity.Quantity, problems: Problems) -> None:
    if request.nanos != limit.nanos and not may_overcommit(name):
        problems.invalid(str(request), f"must be equal to {name} limit of {limit}")
    elif request.nanos > limit.nanos:
        problems.invalid(str(request), f"must be less than or equal to {name} limit of {limit}")


def _validate_claims(claims: list[ResourceClaim], known: frozenset[str], problems: Problems) -> None:
    seen: set[tuple[str, str]] = set()
    for index, claim in enumerate(claims):
        here = problems.at(index)
        if not claim.name:
            here.required()
            continue
        key = (claim.name, claim.request)
        if key in seen or (claim.name, "") in seen or (not claim.request and any(name == claim.name for name, _ in seen)):
            here.duplicate(f"{claim.name}/{claim.request}" if claim.request else claim.name)
        seen.add(key)
        if claim.request:
            report(names.dns_label(claim.request), claim.request, here, "request")
        if claim.name not in known:
            those = f": {', '.join(sorted(known))}" if known else " which is empty"
            here.not_found(claim.name, f"must be one of the names in pod.spec.resourceClaims{those}")
