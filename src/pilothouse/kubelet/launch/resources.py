"""Requests and limits as cgroup settings. Pure.

cpu: 1024 shares a core, at least 2; a quota in each 100 ms, at least 1 ms. The pod's own cgroup holds the sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.host.port import Machine
from pilothouse.kubelet.pods.amounts import own_limits, pod_limits, pod_requests
from pilothouse.kubelet.pods.qos import BEST_EFFORT, BURSTABLE, GUARANTEED, oom_score, qos_class
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.runtime.sandboxes import Resources
from pilothouse.machinery import quantity

CPU_PERIOD_MICROSECONDS = 100_000
MINIMUM_QUOTA_MICROSECONDS = 1000
MINIMUM_SHARES, MAXIMUM_SHARES = 2, 262144
HUGEPAGES = "hugepages-"
ROOT = "kubepods"


def shares(milli_cpu: int) -> int:
    """CPU shares for thousandths of a core, within the kernel's bounds. Upstream: MilliCPUToShares."""
    return min(max(milli_cpu * 1024 // 1000, MINIMUM_SHARES), MAXIMUM_SHARES)


def quota(milli_cpu: int) -> int:
    """CPU quota in microseconds of each period; 0 for no limit."""
    if milli_cpu <= 0:
        return 0
    return max(milli_cpu * CPU_PERIOD_MICROSECONDS // 1000, MINIMUM_QUOTA_MICROSECONDS)


def milli_value_of(values: Mapping[str, str | int | float], name: str) -> int:
    """A quantity in thousandths; 0 when it is missing."""
    return quantity.milli(values[name]) if name in values else 0


def value_of(values: Mapping[str, str | int | float], name: str) -> int:
    """A quantity as an integer, rounded up; 0 when it is missing."""
    return quantity.value(values[name]) if name in values else 0


def container_resources(pod: Pod, container: AnyContainer, machine: Machine, *, cfs_quota: bool = True) -> Resources:
    """Cgroup settings of a container. Without a cpu request its limit is used, without a limit the Pod's.

    Containers do not swap (upstream's NoSwap); on v2 the kernel ends all of one that is out of memory, and never a part of it.
    """
    own = container.resources
    shared = own_limits(pod)
    cpu = milli_value_of(own.limits, "cpu") or milli_value_of(shared, "cpu")
    memory = value_of(own.limits, "memory") or value_of(shared, "memory")
    no_swap = machine.swap > 0 and machine.limits_swap
    pages = {_page_name(name): quantity.value(value) for name, value in own.limits.items() if name.startswith(HUGEPAGES)}
    return Resources(
        cpu_shares=shares(milli_value_of(own.requests, "cpu") if "cpu" in own.requests else cpu),
        cpu_quota=quota(cpu) if cfs_quota else 0,
        cpu_period=CPU_PERIOD_MICROSECONDS if cfs_quota else 0,
        memory_limit=memory,
        memory_swap_limit=memory if no_swap and not machine.cgroup_v2 else 0,
        oom_score_adj=oom_score(pod, container, machine.memory),
        hugepages=pages,
        unified={"memory.oom.group": "1", **({"memory.swap.max": "0"} if no_swap else {})} if machine.cgroup_v2 else {},
    )


def _page_name(resource: str) -> str:
    """`hugepages-2Mi` is `2MB` to the runtime."""
    return resource.removeprefix(HUGEPAGES).replace("Ki", "KB").replace("Mi", "MB").replace("Gi", "GB")


@dataclass(slots=True, frozen=True)
class PodCgroup:
    """Settings of the Pod's cgroup. Zero: no limit."""

    path: str
    cpu_shares: int
    cpu_quota: int = 0
    cpu_period: int = CPU_PERIOD_MICROSECONDS
    memory_limit: int = 0


def cgroup_path(pod: Pod, root: str = "") -> str:
    """Path of the Pod's cgroup: `<root>/kubepods[/burstable|/besteffort]/pod<uid>`, beginning with a slash."""
    kind = pod.status.qosClass or qos_class(pod)
    middle = {BURSTABLE: "/burstable", BEST_EFFORT: "/besteffort"}.get(kind, "")
    return f"{root}/{ROOT}{middle}/pod{pod.metadata.uid}"


def pod_cgroup(pod: Pod, root: str = "") -> PodCgroup:
    """Settings of the Pod's cgroup. A limit is set only when every container has one or the Pod itself does."""
    kind = pod.status.qosClass or qos_class(pod)
    requests, limits = pod_requests(pod), pod_limits(pod)
    containers = [*pod.spec.containers, *pod.spec.initContainers]
    own = own_limits(pod)
    cpu_limited = "cpu" in own or all(milli_value_of(container.resources.limits, "cpu") for container in containers)
    memory_limited = "memory" in own or all(value_of(container.resources.limits, "memory") for container in containers)
    if kind == BEST_EFFORT:
        return PodCgroup(cgroup_path(pod, root), MINIMUM_SHARES)
    return PodCgroup(
        cgroup_path(pod, root),
        shares(requests.get("cpu", 0)),
        cpu_quota=quota(limits.get("cpu", 0)) if cpu_limited or kind == GUARANTEED else 0,
        memory_limit=limits.get("memory", 0) if memory_limited or kind == GUARANTEED else 0,
    )


def widest(pod_cgroup: PodCgroup, other: PodCgroup) -> PodCgroup:
    """The larger of two settings in every field, used while a Pod is being resized."""

    def more(a: int, b: int) -> int:
        return max(a, b) if a and b else 0

    return replace(
        pod_cgroup,
        cpu_shares=max(pod_cgroup.cpu_shares, other.cpu_shares),
        cpu_quota=more(pod_cgroup.cpu_quota, other.cpu_quota),
        memory_limit=more(pod_cgroup.memory_limit, other.memory_limit),
    )
