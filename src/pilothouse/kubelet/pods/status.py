"""Pod status from the observed state. Pure.

- The previous status is `pod.status`: what cannot be seen any more (an address, a container long gone) is kept from it.
- A pod never leaves a terminal phase.
- Reason and message of the pod are those of its end, if that has any.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from pilothouse.api.types.core_v1 import HostIP, Pod, PodIP, PodStatus
from pilothouse.kubelet.pods.conditions import conditions
from pilothouse.kubelet.pods.container_status import moment, statuses
from pilothouse.kubelet.pods.final_status import end_unfinished, limit_messages
from pilothouse.kubelet.pods.observed import PodState
from pilothouse.kubelet.pods.phase import phase
from pilothouse.kubelet.pods.qos import qos_class
from pilothouse.kubelet.pods.spec import is_static, is_terminal


@dataclass(slots=True, frozen=True)
class NodeFacts:
    """Facts about the node that appear in Pod statuses."""

    host_ips: tuple[str, ...]
    runtime: str = "containerd"


def pod_status(pod: Pod, observed: PodState, node: NodeFacts, now: float) -> PodStatus:
    """The new status; fields that the kubelet does not own are kept."""
    if observed.ending is not None and observed.ending.untouched:
        return _untouched(pod, observed, node, now)
    old, spec = pod.status, pod.spec
    init = statuses(pod, observed, spec.initContainers, old.initContainerStatuses, node.runtime)
    main = statuses(pod, observed, spec.containers, old.containerStatuses, node.runtime)
    ephemeral = statuses(pod, observed, spec.ephemeralContainers, old.ephemeralContainerStatuses, node.runtime)
    if observed.released:
        end_unfinished(pod, init, main)
    limit_messages(pod, (*init, *main, *ephemeral))
    known = {status.name: status for status in (*init, *main)}
    meant = _phase(pod, observed, phase(pod, known, observed.ending is not None))
    reported = _as_long_as_it_lives(pod, observed, meant)
    status = msgspec.structs.replace(
        old,
        phase=reported,
        conditions=conditions(pod, observed, meant, init, main, moment(now)),
        initContainerStatuses=init,
        containerStatuses=main,
        ephemeralContainerStatuses=ephemeral,
        qosClass=old.qosClass or qos_class(pod),
        startTime=old.startTime or moment(observed.first_seen or now),
        observedGeneration=pod.metadata.generation,
        nominatedNodeName="",
    )
    _apply_addresses(pod, observed, node, status)
    if reported == meant:
        _apply_reason(observed, status, changed=reported != old.phase)
    return status


def _phase(pod: Pod, observed: PodState, phase: str) -> str:
    if is_terminal(pod):
        return pod.status.phase
    ending = observed.ending
    if ending is not None and ending.phase:
        return ending.phase
    return "Failed" if observed.released and phase in {"Pending", "Running"} and not is_static(pod) else phase


def _as_long_as_it_lives(pod: Pod, observed: PodState, phase: str) -> str:
    """No pod is over while one of its containers may run: controllers would replace it, and both would be at work."""
    return (pod.status.phase or "Pending") if observed.is_alive() and phase in {"Succeeded", "Failed"} else phase


def _apply_reason(observed: PodState, status: PodStatus, *, changed: bool) -> None:
    ending = observed.ending
    if ending is not None and ending.phase:
        status.reason, status.message = ending.reason, ending.message
    elif changed:
        status.reason = status.message = ""


def _apply_addresses(pod: Pod, observed: PodState, node: NodeFacts, status: PodStatus) -> None:
    status.hostIP = node.host_ips[0] if node.host_ips else ""
    status.hostIPs = [HostIP(ip=host_ip) for host_ip in node.host_ips]
    sandbox = observed.sandbox
    ips = tuple(node.host_ips) if pod.spec.hostNetwork else (sandbox.ips if sandbox is not None else ())
    if ips and not (pod.spec.hostNetwork and status.podIPs):
        status.podIP = ips[0]
        status.podIPs = [PodIP(ip=ip) for ip in ips]


def _untouched(pod: Pod, observed: PodState, node: NodeFacts, now: float) -> PodStatus:
    """A pod that this kubelet turned away says only so."""
    ending = observed.ending
    assert ending is not None
    return msgspec.structs.replace(
        pod.status,
        phase=pod.status.phase if is_terminal(pod) else ending.phase,
        reason=ending.reason,
        message=ending.message,
        startTime=pod.status.startTime or moment(now),
        qosClass=pod.status.qosClass or qos_class(pod),
        observedGeneration=pod.metadata.generation,
    )
