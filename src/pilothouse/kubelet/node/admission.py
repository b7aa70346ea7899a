"""Admission of bound Pods by the kubelet, with upstream's reasons and messages. Pure.

Needed where schedulers race, are other people's, or were by-passed with `spec.nodeName`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from pilothouse.api.core.tolerations import tolerations_tolerate_taint
from pilothouse.api.types.core_v1 import Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, Taint
from pilothouse.kubelet.node.preemption import is_critical
from pilothouse.kubelet.pods.allocation import DEFERRED, INFEASIBLE, PendingResize
from pilothouse.kubelet.pods.amounts import pod_requests
from pilothouse.kubelet.pods.observed import REJECTED, Ending
from pilothouse.kubelet.pods.qos import BEST_EFFORT, qos_class
from pilothouse.kubelet.pods.spec import every_container, is_static, sidecars
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.machinery import quantity, strconv

SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
}
"""Namespaced, and harmless to other pods; upstream's list."""


MEMORY_PRESSURE = "MemoryPressure"
MEMORY_PRESSURE_TAINT = Taint(key="node.kubernetes.io/memory-pressure", effect="NoSchedule")


@dataclass(slots=True, frozen=True)
class NodeFeatures:
    """Optional features of the node's kernel and runtime."""

    apparmor: bool = True
    supplemental_groups_policy: bool = True


ALL_FEATURES = NodeFeatures()


def admit(
    pod: Pod, others: Iterable[Pod], node: Node | None, pressures: Collection[str] = (), features: NodeFeatures = ALL_FEATURES
) -> Ending | None:
    """None to admit the Pod, else how it ends. `pressures` are the pressure conditions that are True.

    A critical pod is not refused for want of resources: others make room for it (`missing`, node/preemption.py).
    """
    refusal = _system(pod, features)
    if refusal is None and node is not None:
        here = [other for other in others if other.metadata.uid != pod.metadata.uid]
        refusal = _pressed(pod, pressures) or _resources(pod, here, node) or _selector(pod, node)
        refusal = refusal or _ports(pod, here) or _taints(pod, node)
    return None if refusal is None else rejection(*refusal)


def rejection(reason: str, message: str) -> Ending:
    """The end of a Pod that the kubelet rejects."""
    return Ending(1, phase="Failed", reason=reason, message=REJECTED + message, untouched=True)


def missing(pod: Pod, others: Iterable[Pod], node: Node | None) -> dict[str, int]:
    """Amounts that the node lacks for the Pod beside the others, by resource; cpu in millicores."""
    if node is None:
        return {}
    here = [other for other in others if other.metadata.uid != pod.metadata.uid]
    return {name: used + amount - room for name, amount, used, room in _shortages(pod, here, node)}


def admit_resize(pod: Pod, others: Iterable[Pod], node: Node | None) -> PendingResize | None:
    """None to grant the resources that the Pod wants now, else why they are not granted."""
    if is_static(pod):
        return PendingResize(INFEASIBLE, "In-place resize of static-pods is not supported")
    if node is None:
        return None
    wanted = pod_requests(pod)
    for name, amount_of in (("memory", quantity.value), ("cpu", quantity.milli)):
        value = node.status.allocatable.get(name)
        if value is not None and wanted.get(name, 0) > amount_of(value):
            text = f"{name}, requested: {wanted[name]}, capacity: {amount_of(value)}"
            return PendingResize(INFEASIBLE, f"Node didn't have enough capacity: {text}")
    refusal = _resources(pod, [other for other in others if other.metadata.uid != pod.metadata.uid], node)
    return None if refusal is None else PendingResize(DEFERRED, refusal[1])


def _pressed(pod: Pod, pressures: Collection[str]) -> tuple[str, str] | None:
    """What is short of memory alone still takes pods that say how much they need, and such as do not mind."""
    if not pressures or is_critical(pod):
        return None
    if set(pressures) == {MEMORY_PRESSURE} and (
        qos_class(pod) != BEST_EFFORT or tolerations_tolerate_taint(pod.spec.tolerations, MEMORY_PRESSURE_TAINT)
    ):
        return None
    return "Evicted", f"The node had condition: [{' '.join(sorted(pressures))}]. "


def _system(pod: Pod, features: NodeFeatures) -> tuple[str, str] | None:
    if pod.spec.os is not None and pod.spec.os.name not in {"", "linux"}:
        return "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    context = pod.spec.securityContext
    for sysctl in context.sysctls if context is not None else []:
        if sysctl.name.replace("/", ".") not in SAFE_SYSCTLS:
            return "SysctlForbidden", f'forbidden sysctl: "{sysctl.name}" not allowlisted'
    if context is not None and context.supplementalGroupsPolicy == "Strict" and not features.supplemental_groups_policy:
        return "SupplementalGroupsPolicyNotSupported", "SupplementalGroupsPolicy=Strict is not supported in this node"
    if not features.apparmor and any(_is_profiled(pod, container) for container in every_container(pod)):
        return "AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"
    return None


def _is_profiled(pod: Pod, container: AnyContainer) -> bool:
    own, whole = container.securityContext, pod.spec.securityContext
    profile = (own.appArmorProfile if own is not None else None) or (whole.appArmorProfile if whole is not None else None)
    return profile is not None and profile.type != "Unconfined"


def _resources(pod: Pod, others: list[Pod], node: Node) -> tuple[str, str] | None:
    if is_critical(pod):
        return None
    for name, amount, used, room in _shortages(pod, others, node):
        return f"OutOf{name}", f"Node didn't have enough resource: {name}, requested: {amount}, used: {used}, capacity: {room}"
    return None


def _shortages(pod: Pod, others: list[Pod], node: Node) -> Iterator[tuple[str, int, int, int]]:
    """Of what the node has too little: name, what the pod requests, what others do, what there is."""
    wanted = {**pod_requests(pod), "pods": 1}
    used: dict[str, int] = {"pods": len(others)}
    for other in others:
        for name, amount in pod_requests(other).items():
            used[name] = used.get(name, 0) + amount
    for name, amount in sorted(wanted.items()):
        value = node.status.allocatable.get(name)
        if amount <= 0 or (value is None and name in {"cpu", "memory", "pods", "ephemeral-storage"}):
            continue
        room = 0 if value is None else quantity.milli(value) if name == "cpu" else quantity.value(value)
        if used.get(name, 0) + amount > room:
            yield name, amount, used.get(name, 0), room


def _selector(pod: Pod, node: Node) -> tuple[str, str] | None:
    labels = node.metadata.labels
    fits = all(labels.get(key) == value for key, value in pod.spec.nodeSelector.items())
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    if required is not None:
        fits = fits and any(_term(term, node) for term in required.nodeSelectorTerms or ())
    return None if fits else ("NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")


def _term(term: NodeSelectorTerm, node: Node) -> bool:
    fields = {"metadata.name": node.metadata.name}
    return bool(term.matchExpressions or term.matchFields) and all(
        _requirement(requirement, values)
        for wanted, values in ((term.matchExpressions, node.metadata.labels), (term.matchFields, fields))
        for requirement in wanted
    )


def _requirement(requirement: NodeSelectorRequirement, values: dict[str, str]) -> bool:
    value = values.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    have, limit = strconv.integer(value), strconv.integer(requirement.values[0] if requirement.values else "")
    if have is None or limit is None:
        return False
    return have > limit if requirement.operator == "Gt" else have < limit


def _ports(pod: Pod, others: list[Pod]) -> tuple[str, str] | None:
    taken = {port for other in others for port in _host_ports(other)}
    for ip, protocol, port in _host_ports(pod):
        if any(port == p and protocol == q and ("0.0.0.0" in {ip, i} or ip == i) for i, q, p in taken):
            return "NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    return None


def _host_ports(pod: Pod) -> set[tuple[str, str, int]]:
    return {
        (port.hostIP or "0.0.0.0", port.protocol or "TCP", port.hostPort)
        for container in (*sidecars(pod), *pod.spec.containers)
        for port in container.ports
        if port.hostPort
    }


def _taints(pod: Pod, node: Node) -> tuple[str, str] | None:
    if is_static(pod):
        return None
    for taint in node.spec.taints:
        if taint.effect == "NoExecute" and not tolerations_tolerate_taint(pod.spec.tolerations, taint):
            return "TaintToleration", "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
    return None
