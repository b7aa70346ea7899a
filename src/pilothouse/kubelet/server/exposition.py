"""Metrics of the kubelet's server: /metrics, /metrics/resource, /metrics/cadvisor and /metrics/probes. Pure.

Names, labels and units are upstream's. Containers that do not run are left out: metrics-server takes a pod for unmeasured that has one
without usage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from pilothouse import KUBERNETES_VERSION
from pilothouse.api.types.core_v1 import ContainerStatus, Pod
from pilothouse.kubelet.host.port import Load, Machine
from pilothouse.kubelet.runtime.containers import ContainerStats
from pilothouse.kubelet.server.log_choice import every_status, id_without_scheme
from pilothouse.kubelet.server.node_stats import ProbeCount
from pilothouse.machinery import time as times

NANOSECONDS = 1_000_000_000
Value = Callable[["Measured"], float]
Line = tuple[Mapping[str, str], float, float]
"""Labels, value, and the moment in seconds since the epoch (0: not said)."""

CPU = "container_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the container in core-seconds"
MEMORY = "container_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the container in bytes"
START = "container_start_time_seconds", "gauge", "[STABLE] Start time of the container since unix epoch in seconds"


def cpu_seconds(measured: Measured) -> float:
    """CPU time of a container in seconds."""
    return measured.stats.cpu_usage_nanoseconds / NANOSECONDS


@dataclass(slots=True, frozen=True)
class Measured:
    """A running container with its Pod, its status and its usage."""

    pod: Pod
    status: ContainerStatus
    stats: ContainerStats


def running(pods: Iterable[Pod], stats: Sequence[ContainerStats]) -> list[Measured]:
    """Measurements of the containers that the Pods' statuses show as running."""
    known = {
        id_without_scheme(status.containerID): (pod, status)
        for pod in pods
        for status in every_status(pod)
        if status.state.running is not None
    }
    pairs = ((known.get(usage.container.id), usage) for usage in stats)
    return [Measured(*whose, usage) for whose, usage in pairs if whose is not None]


def started_seconds(measured: Measured) -> float:
    """Start of a container in seconds since the epoch; 0.0 when it does not run."""
    state = measured.status.state.running
    return times.parse(state.startedAt).timestamp() if state is not None and state.startedAt else 0.0


def resource(pods: Iterable[Pod], stats: Sequence[ContainerStats], load: Load, machine: Machine, now: float) -> str:
    """Text of /metrics/resource."""
    containers = running(pods, stats)

    def lines(value: Value, *, at: bool = True) -> list[Line]:
        return [
            ({"container": measured.status.name, **_place(measured.pod)}, value(measured), measured.stats.timestamp if at else 0.0)
            for measured in containers
        ]

    return _text(
        (CPU, lines(cpu_seconds)),
        (MEMORY, lines(lambda measured: measured.stats.memory_working_set)),
        (START, lines(started_seconds, at=False)),
        (
            ("node_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the node in core-seconds"),
            [({}, load.cpu_seconds, now)],
        ),
        (
            ("node_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the node in bytes"),
            [({}, machine.memory - load.memory_available, now)],
        ),
        (
            ("pod_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds"),
            _sums(containers, cpu_seconds),
        ),
        (
            ("pod_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the pod in bytes"),
            _sums(containers, lambda measured: measured.stats.memory_working_set),
        ),
        (
            ("resource_scrape_error", "gauge", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"),
            [({}, 0, 0.0)],
        ),
    )


def cadvisor(pods: Iterable[Pod], stats: Sequence[ContainerStats], machine: Machine) -> str:
    """Text of /metrics/cadvisor, with the families that the runtime measures."""
    containers = running(pods, stats)

    def lines(value: Value, **more: str) -> list[Line]:
        return [({**_identity(measured), **more}, value(measured), measured.stats.timestamp) for measured in containers]

    return _text(
        ((CPU[0], "counter", "Cumulative cpu time consumed in seconds."), lines(cpu_seconds, cpu="total")),
        (
            ("container_fs_usage_bytes", "gauge", "Number of bytes that are consumed by the container on this filesystem."),
            lines(lambda measured: measured.stats.filesystem_used),
        ),
        (("container_memory_rss", "gauge", "Size of RSS in bytes."), lines(lambda measured: measured.stats.memory_rss)),
        (
            (
                "container_memory_usage_bytes",
                "gauge",
                "Current memory usage in bytes, including all memory regardless of when it was accessed",
            ),
            lines(lambda measured: measured.stats.memory_usage),
        ),
        ((MEMORY[0], "gauge", "Current working set in bytes."), lines(lambda measured: measured.stats.memory_working_set)),
        ((START[0], "gauge", "Start time of the container since unix epoch in seconds."), lines(started_seconds)),
        (("machine_cpu_cores", "gauge", "Number of logical CPU cores."), [({}, machine.cores, 0.0)]),
        (("machine_memory_bytes", "gauge", "Amount of memory installed on the machine."), [({}, machine.memory, 0.0)]),
    )


def probes(counts: Mapping[ProbeCount, int]) -> str:
    """Text of /metrics/probes."""
    told = "[ALPHA] Cumulative number of a liveness, readiness or startup probe for a container by result."
    return _text((("prober_probe_total", "counter", told), [(asdict(probe), count, 0.0) for probe, count in sorted(counts.items())]))


def kubelet(pods: Iterable[Pod], node_name: str) -> str:
    """Text of /metrics."""
    every = list(pods)
    states = Counter(_state(status) for pod in every for status in every_status(pod))
    states.pop("waiting", None)
    build = {"git_version": KUBERNETES_VERSION, "major": KUBERNETES_VERSION[1:].split(".")[0], "minor": KUBERNETES_VERSION.split(".")[1]}
    return _text(
        (("kubelet_node_name", "gauge", "[ALPHA] The node's name. The count is always 1."), [({"node": node_name}, 1, 0.0)]),
        (
            ("kubelet_running_containers", "gauge", "[ALPHA] Number of containers currently running"),
            [({"container_state": state}, count, 0.0) for state, count in sorted(states.items())],
        ),
        (
            ("kubelet_running_pods", "gauge", "[ALPHA] Number of pods that have a running pod sandbox"),
            [({}, sum(pod.status.phase == "Running" for pod in every), 0.0)],
        ),
        (
            ("kubernetes_build_info", "gauge", "[ALPHA] What the kubelet was built as, by constant labels; the value is always 1."),
            [(build, 1, 0.0)],
        ),
    )


def _state(status: ContainerStatus) -> str:
    if status.state.running is not None:
        return "running"
    return "exited" if status.state.terminated is not None else "waiting"


def _place(pod: Pod) -> dict[str, str]:
    return {"namespace": pod.metadata.namespace, "pod": pod.metadata.name}


def _identity(measured: Measured) -> dict[str, str]:
    identifier = measured.stats.container.id
    return {"container": measured.status.name, "id": identifier, "image": measured.status.image, "name": identifier, **_place(measured.pod)}


def _sums(containers: Sequence[Measured], value: Value) -> list[Line]:
    by_pod: dict[str, tuple[Pod, float, float]] = {}
    for measured in containers:
        _, total, at = by_pod.get(measured.pod.metadata.uid, (measured.pod, 0.0, 0.0))
        by_pod[measured.pod.metadata.uid] = (measured.pod, total + value(measured), max(at, measured.stats.timestamp))
    return [(_place(pod), total, at) for pod, total, at in by_pod.values()]


def _text(*families: tuple[tuple[str, str, str], Sequence[Line]]) -> str:
    out = []
    for (name, kind, told), lines in families:
        if not lines:
            continue
        out += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
        out += [f"{name}{_labels(labels)} {value}{f' {int(at * 1000)}' if at else ''}" for labels, value, at in lines]
    return "\n".join(out) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    written = ",".join(f'{name}="{_escaped(labels[name])}"' for name in sorted(labels))
    return f"{{{written}}}" if written else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
