"""Status of the Node from facts about the machine and its runtime. Pure.

Capacity is what is there, allocatable what pods may have: without what is reserved and what evictions keep free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.api import wellknown
from pilothouse.api.core.validation.resources import is_extended
from pilothouse.api.types.core_v1 import (
    ContainerImage,
    DaemonEndpoint,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeFeatures,
    NodeStatus,
    NodeSwapStatus,
    NodeSystemInfo,
)
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import DiskUsage, Machine
from pilothouse.kubelet.launch.resources import HUGEPAGES
from pilothouse.kubelet.runtime.images import Image
from pilothouse.kubelet.runtime.port import RuntimeCondition, RuntimeVersion
from pilothouse.machinery import quantity, strconv
from pilothouse.machinery.quoting import aggregate

IMAGES_LIMIT = 50
NAMES_PER_IMAGE_LIMIT = 5
KEPT_FREE = {"memory": "memory.available", "ephemeral-storage": "nodefs.available"}
"""What evictions keep free of each resource."""
PRESSURES = {
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}


@dataclass(slots=True, frozen=True)
class NodeObservation:
    """What the kubelet observed of its node."""

    machine: Machine
    disk: DiskUsage
    version: RuntimeVersion
    runtime: Sequence[RuntimeCondition] = ()
    problems: tuple[str, ...] = ()
    """Why the node is not Ready, beside what the runtime says of itself."""
    images: Sequence[Image] = ()
    pressures: frozenset[str] = frozenset()
    supplemental_groups_policy: bool = False


def capacity(seen: NodeObservation, config: KubeletConfig) -> dict[str, str | int | float]:
    """Capacity by resource; the configuration may override amounts."""
    amounts: dict[str, str | int | float] = {
        "cpu": str(seen.machine.cores),
        "ephemeral-storage": _binary(seen.disk.capacity),
        "memory": _binary(seen.machine.memory),
        "pods": str(config.max_pods),
    }
    for size, amount in (seen.machine.hugepages or {}).items():
        amounts[f"{HUGEPAGES}{size}"] = _binary(amount)
    amounts.update(config.capacity)
    return dict(sorted(amounts.items()))


def _binary(amount: int) -> str:
    return quantity.canonical(f"{amount // 1024}Ki") if amount else "0"


def extended_resources(status: NodeStatus) -> dict[str, str | int | float]:
    """Extended resources that others advertised in the status."""
    return {name: amount for name, amount in status.capacity.items() if is_extended(name)}


def without_reserved(whole: Mapping[str, str | int | float], config: KubeletConfig) -> dict[str, str | int | float]:
    """Capacity without the reservations for the system."""
    amounts = dict(whole)
    for name, reserved in config.system_reserved.items():
        if name in amounts:
            amounts[name] = quantity.subtract(amounts[name], reserved)
    return amounts


def allocatable(whole: Mapping[str, str | int | float], config: KubeletConfig) -> dict[str, str | int | float]:
    """Allocatable by resource: capacity without reservations, eviction thresholds and huge pages, at least 0."""
    amounts = without_reserved(whole, config)
    for name, signal in KEPT_FREE.items():
        if name in amounts:
            amounts[name] = quantity.subtract(amounts[name], _kept_free(whole[name], config.eviction_hard.get(signal, "0")))
    for name, amount in whole.items():
        if name.startswith(HUGEPAGES) and "memory" in amounts and quantity.value(amount):
            amounts["memory"] = quantity.subtract(amounts["memory"], amount)  # nothing else can have it
    return {name: amount if quantity.compare(amount, 0) > 0 else "0" for name, amount in amounts.items()}


def _kept_free(capacity: str | int | float, threshold: str) -> str | int:
    """What a threshold of evictions comes to: an amount, or so many percent of the capacity."""
    return int(quantity.value(capacity) * strconv.parse_float(threshold[:-1]) / 100) if threshold.endswith("%") else threshold


def conditions(seen: NodeObservation, old: Sequence[NodeCondition], now: str) -> list[NodeCondition]:
    """Pressure conditions and Ready; other conditions are kept. A condition keeps lastTransitionTime while its status does not change."""
    made = [_pressure(type, type in seen.pressures) for type in PRESSURES]
    made.append(_ready(seen))
    before = {condition.type: condition for condition in old}
    for condition in made:
        known = before.get(condition.type)
        condition.lastHeartbeatTime = now
        condition.lastTransitionTime = known.lastTransitionTime if known is not None and known.status == condition.status else now
    own = {condition.type for condition in made}
    return [condition for condition in old if condition.type not in own] + made


def _pressure(type: str, is_on: bool) -> NodeCondition:
    reason, message = PRESSURES[type][1 if is_on else 0]
    return NodeCondition(type=type, status="True" if is_on else "False", reason=reason, message=message)


def _ready(seen: NodeObservation) -> NodeCondition:
    problems = [*seen.problems]
    for condition in seen.runtime:
        if not condition.status:
            start = "container runtime network not ready" if condition.type == "NetworkReady" else "container runtime not ready"
            problems.append(f"{start}: {condition.type}=false reason:{condition.reason} message:{condition.message}")
    if problems:
        return NodeCondition(type="Ready", status="False", reason="KubeletNotReady", message=aggregate(problems))
    return NodeCondition(type="Ready", status="True", reason="KubeletReady", message="kubelet is posting ready status")


def images(present: Sequence[Image]) -> list[ContainerImage]:
    """The largest images, named by digests and tags."""
    named = [image for image in present if image.tags or image.digests]
    largest = sorted(named, key=lambda image: (-image.size, image.tags or image.digests))[:IMAGES_LIMIT]
    return [ContainerImage(names=[*image.digests, *image.tags][:NAMES_PER_IMAGE_LIMIT], sizeBytes=image.size) for image in largest]


def node_status(seen: NodeObservation, config: KubeletConfig, hostname: str, old: NodeStatus, now: str) -> NodeStatus:
    """The new status; fields of other components in `old` are kept."""
    whole = dict(sorted({**extended_resources(old), **capacity(seen, config)}.items()))
    machine = seen.machine
    addresses = [NodeAddress(type="InternalIP", address=ip) for ip in config.host_ips]
    return NodeStatus(
        addresses=[*addresses, NodeAddress(type="Hostname", address=hostname)],
        capacity=whole,
        allocatable=allocatable(whole, config),
        conditions=conditions(seen, old.conditions, now),
        daemonEndpoints=NodeDaemonEndpoints(kubeletEndpoint=DaemonEndpoint(Port=config.port)),
        images=images(seen.images),
        nodeInfo=NodeSystemInfo(
            architecture=machine.architecture,
            bootID=machine.boot_id,
            containerRuntimeVersion=f"{seen.version.name}://{seen.version.version}",
            kernelVersion=machine.kernel,
            kubeProxyVersion="",
            kubeletVersion=config.kubernetes_version,
            machineID=machine.machine_id,
            operatingSystem="linux",
            osImage=machine.os_image,
            swap=NodeSwapStatus(capacity=machine.swap) if machine.swap else None,
            systemUUID=machine.system_uuid or machine.machine_id,
        ),
        volumesAttached=old.volumesAttached,
        features=NodeFeatures(supplementalGroupsPolicy=True) if seen.supplemental_groups_policy else None,
    )


def labels(config: KubeletConfig, hostname: str, architecture: str) -> dict[str, str]:
    """Labels that a new Node gets."""
    return {
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        wellknown.HOSTNAME: hostname,
        "kubernetes.io/os": "linux",
        **config.node_labels,
    }
