"""/metrics/resource and /metrics/cadvisor: usage of containers, pods and the node, as metrics-server and Prometheus read it. Pure.

Names, labels and units are upstream's. Containers that do not run are left out: metrics-server takes a pod for unmeasured that has one
without usage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.host.port import Load, Machine
from pilothouse.kubelet.runtime.port import ContainerState, ContainerStats

POD_UID = "io.kubernetes.pod.uid"
NANOSECONDS = 1_000_000_000
Value = Callable[[ContainerStats], float]
Line = tuple[Mapping[str, str], float, float]
"""Labels, value, and the moment in seconds since the epoch (0: not said)."""

CPU = "container_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the container in core-seconds"
MEMORY = "container_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the container in bytes"
START = "container_start_time_seconds", "gauge", "[STABLE] Start time of the container since unix epoch in seconds"


def cpu_seconds(one: ContainerStats) -> float:
    return one.cpu_usage_nanoseconds / NANOSECONDS


def running(pods: Iterable[Pod], stats: Sequence[ContainerStats]) -> list[tuple[Pod, ContainerStats]]:
    """What runs, with its pod."""
    known = {pod.metadata.uid: pod for pod in pods}
    found = ((known.get(one.container.labels.get(POD_UID, "")), one) for one in stats)
    return [(pod, one) for pod, one in found if pod is not None and one.container.state is ContainerState.RUNNING]


def resource(pods: Iterable[Pod], stats: Sequence[ContainerStats], load: Load, machine: Machine, now: float) -> str:
    """/metrics/resource."""
    found = running(pods, stats)

    def lines(value: Value, *, at: bool = True) -> list[Line]:
        return [({"container": one.container.name, **_place(pod)}, value(one), one.timestamp if at else 0.0) for pod, one in found]

    return _text(
        (CPU, lines(cpu_seconds)),
        (MEMORY, lines(lambda one: one.memory_working_set)),
        (START, lines(lambda one: one.container.created_at, at=False)),
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
            _sums(found, cpu_seconds),
        ),
        (
            ("pod_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the pod in bytes"),
            _sums(found, lambda one: one.memory_working_set),
        ),
        (
            ("resource_scrape_error", "gauge", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"),
            [({}, 0, 0.0)],
        ),
    )


def cadvisor(pods: Iterable[Pod], stats: Sequence[ContainerStats], machine: Machine) -> str:
    """/metrics/cadvisor: of its many families those that the runtime knows."""
    found = running(pods, stats)

    def lines(value: Value, **more: str) -> list[Line]:
        return [({**_identity(pod, one), **more}, value(one), one.timestamp) for pod, one in found]

    return _text(
        ((CPU[0], "counter", "Cumulative cpu time consumed in seconds."), lines(cpu_seconds, cpu="total")),
        (
            ("container_fs_usage_bytes", "gauge", "Number of bytes that are consumed by the container on this filesystem."),
            lines(lambda one: one.filesystem_used),
        ),
        (("container_memory_rss", "gauge", "Size of RSS in bytes."), lines(lambda one: one.memory_rss)),
        (
            (
                "container_memory_usage_bytes",
                "gauge",
                "Current memory usage in bytes, including all memory regardless of when it was accessed",
            ),
            lines(lambda one: one.memory_usage),
        ),
        ((MEMORY[0], "gauge", "Current working set in bytes."), lines(lambda one: one.memory_working_set)),
        ((START[0], "gauge", "Start time of the container since unix epoch in seconds."), lines(lambda one: one.container.created_at)),
        (("machine_cpu_cores", "gauge", "Number of logical CPU cores."), [({}, machine.cores, 0.0)]),
        (("machine_memory_bytes", "gauge", "Amount of memory installed on the machine."), [({}, machine.memory, 0.0)]),
    )


def _place(pod: Pod) -> dict[str, str]:
    return {"namespace": pod.metadata.namespace, "pod": pod.metadata.name}


def _identity(pod: Pod, one: ContainerStats) -> dict[str, str]:
    container = one.container
    return {"container": container.name, "id": container.id, "image": container.image, "name": container.id, **_place(pod)}


def _sums(found: Sequence[tuple[Pod, ContainerStats]], value: Value) -> list[Line]:
    by_pod: dict[str, tuple[Pod, float, float]] = {}
    for pod, one in found:
        _, total, at = by_pod.get(pod.metadata.uid, (pod, 0.0, 0.0))
        by_pod[pod.metadata.uid] = (pod, total + value(one), max(at, one.timestamp))
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
