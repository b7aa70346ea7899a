"""Node: a machine that runs Pods."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.core.columns import NONE, UNKNOWN
from pilothouse.api.core.defaults.quantities import canonicalise
from pilothouse.api.core.validation.addresses import dual_stack, validate_range
from pilothouse.api.core.validation.resources import validate_quantity
from pilothouse.api.core.validation.tolerations import validate_taints
from pilothouse.api.core.warnings.addresses import of_range
from pilothouse.api.types.core_v1 import Node
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Subresource
from pilothouse.machinery.strategy import Strategy

PROXY_VERBS = ("create", "delete", "get", "patch", "update")
ROLE_PREFIX, ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"
ONCE = 'node updates may not change {} except from "" to valid'


def _status(node: Node) -> str:
    ready = next((condition.status for condition in node.status.conditions if condition.type == "Ready"), None)
    shown = ["Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"]
    if node.spec.unschedulable:
        shown.append("SchedulingDisabled")
    return ",".join(shown)


def _roles(node: Node) -> str:
    labels = node.metadata.labels
    roles = {key.removeprefix(ROLE_PREFIX) for key in labels if key.startswith(ROLE_PREFIX)} | {labels.get(ROLE_LABEL, "")}
    return ",".join(sorted(roles - {""})) or NONE


def _kernel(node: Node) -> str:
    info = node.status.nodeInfo
    kernel = info.kernelVersion or UNKNOWN
    return f"{kernel} ({info.architecture})" if info.architecture else kernel


def _address(node: Node, type: str) -> str:
    return next((address.address for address in node.status.addresses if address.type == type), NONE)


NODE = Resource(
    Node,
    plural="nodes",
    short_names=("no",),
    namespaced=False,
    subresources=(STATUS, Subresource("proxy", PROXY_VERBS, ("", "v1", "NodeProxyOptions"))),
    columns=(
        Column("Status", _status, description="The status of the node"),
        Column("Roles", _roles, description="The roles of the node"),
        AGE,
        Column("Version", lambda node: node.status.nodeInfo.kubeletVersion),
        Column("Internal-IP", lambda node: _address(node, "InternalIP"), priority=1),
        Column("External-IP", lambda node: _address(node, "ExternalIP"), priority=1),
        Column("OS-Image", lambda node: node.status.nodeInfo.osImage or UNKNOWN, priority=1),
        Column("Kernel-Version", _kernel, priority=1),
        Column("Container-Runtime", lambda node: node.status.nodeInfo.containerRuntimeVersion or UNKNOWN, priority=1),
    ),
    selectable_fields={"spec.unschedulable": lambda node: "true" if node.spec.unschedulable else "false"},
    strategy=Strategy(validates_generate_name=True, generation=None, status_at_creation=True, storage_prefix="minions"),
)


@NODE.default
def default(node: Node) -> None:
    """Allocatable defaults to capacity; podCIDR and podCIDRs are kept equal. Upstream: SetDefaults_NodeStatus."""
    status = node.status
    canonicalise(status.capacity)
    canonicalise(status.allocatable)
    status.allocatable = status.allocatable or dict(status.capacity)
    # The old field and the first of the new list are kept alike, as upstream's conversion keeps them.
    if node.spec.podCIDR and node.spec.podCIDRs[:1] != [node.spec.podCIDR]:
        node.spec.podCIDRs = [node.spec.podCIDR]
    elif node.spec.podCIDRs:
        node.spec.podCIDR = node.spec.podCIDRs[0]


@NODE.validate
def validate(node: Node, problems: Problems) -> None:
    """Taints, amounts and pod ranges. Upstream: ValidateNode."""
    validate_taints(node.spec.taints, problems.at("metadata", "taints"))
    for field, resources in (("capacity", node.status.capacity), ("allocatable", node.status.allocatable)):
        for name, value in resources.items():
            validate_quantity(name, value, problems.at("status", field, name))
    ranges = node.spec.podCIDRs
    here = problems.at("spec", "podCIDRs")
    broken: list[int] = []
    for index, value in enumerate(ranges):
        if (value or len(ranges) > 1) and not validate_range(value, here.at(index)):
            broken.append(index)
        if value in ranges[:index]:
            here.at(index).duplicate(value)
    if len(ranges) > 1 and broken:
        which = f"invalid CIDR[{broken[0]}]: <nil> (invalid CIDR address: {ranges[broken[0]]})"
        here.internal(f"invalid PodCIDRs. failed to check with dual stack with error:{which}")
    if len(ranges) > 1 and (len(ranges) > 2 or not dual_stack(ranges)):
        here.invalid(ranges, "may specify no more than one CIDR for each IP family")


@NODE.validate_update
def validate_update(old: Node, new: Node, problems: Problems) -> None:
    """Pod ranges and provider ID are set once. Upstream: ValidateNodeUpdate."""
    if old.spec.podCIDRs and old.spec.podCIDRs != new.spec.podCIDRs:
        problems.at("spec", "podCIDRs").forbidden(ONCE.format("podCIDR"))
    if old.spec.providerID and old.spec.providerID != new.spec.providerID:
        said = "modified" if new.spec.providerID else "cleared"
        problems.at("spec", "providerID").invalid(None, f"field cannot be {said} once set")
    if old.spec.externalID != new.spec.externalID:
        problems.at("spec", "externalID").forbidden("may not be updated")


@NODE.validate_status
def validate_status(old: Node, new: Node, problems: Problems) -> None:
    """Rules of the Node, and no address twice. Upstream: ValidateNodeUpdate."""
    validate(new, problems)
    validate_update(old, new, problems)
    addresses = new.status.addresses
    for index, address in enumerate(addresses):
        if address in addresses[:index]:
            problems.at("status", "addresses", index).duplicate(address)


@NODE.warn
def warn(new: Node, old: Node | None) -> Iterator[str]:
    """Warnings for externalID, and for ranges that are not in canonical form."""
    if new.spec.externalID:
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
    for index, value in enumerate(new.spec.podCIDRs):
        yield from of_range(f"spec.podCIDRs[{index}]", value)
