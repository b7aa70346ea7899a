"""What metrics-server and Prometheus read."""

from __future__ import annotations

from datetime import UTC, datetime

from pilothouse.api.types.core_v1 import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodStatus,
)
from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.host.linux import LinuxHost
from pilothouse.kubelet.host.port import DiskUsage, Load, Machine
from pilothouse.kubelet.runtime.containers import Container, ContainerStats
from pilothouse.kubelet.runtime.containers import ContainerState as Running
from pilothouse.kubelet.server import exposition
from pilothouse.kubelet.server.node_stats import NodeStats, ProbeCount
from pilothouse.kubelet.server.statistics import summary
from pilothouse.machinery.meta_v1 import ObjectMeta

RUNS = ContainerState(running=ContainerStateRunning(startedAt="1970-01-01T00:00:50Z"))
ENDED = ContainerState(terminated=ContainerStateTerminated(exitCode=0))
MACHINE, LOAD = Machine(4, 1000), Load(400, cpu_seconds=7.5)


def told(name: str, state: ContainerState) -> ContainerStatus:
    return ContainerStatus(name=name, image='quoted"', containerID=f"containerd://id-{name}", state=state)


def used(name: str, seconds: float, memory: int) -> ContainerStats:
    """As CRI tells it: of the container only what names it."""
    container = Container(f"id-{name}", "", name, 0, Running.RUNNING, 0.0)
    return ContainerStats(container, 100.5, int(seconds * 1e9), memory, memory + 1, memory + 2, 30)


POD = Pod(
    metadata=ObjectMeta(name="web", namespace="shop", uid="u-1"),
    status=PodStatus(phase="Running", containerStatuses=[told("a", RUNS), told("b", RUNS), told("done", ENDED)]),
)
STATS = [used("a", 1.5, 10), used("b", 2, 20), used("done", 9, 9), used("foreign", 9, 9)]


def samples(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_usage_of_what_runs_of_pods_and_of_the_node() -> None:
    text = exposition.resource([POD], STATS, LOAD, MACHINE, 101.0)
    assert samples(text) == [
        'container_cpu_usage_seconds_total{container="a",namespace="shop",pod="web"} 1.5 100500',
        'container_cpu_usage_seconds_total{container="b",namespace="shop",pod="web"} 2.0 100500',
        'container_memory_working_set_bytes{container="a",namespace="shop",pod="web"} 10 100500',
        'container_memory_working_set_bytes{container="b",namespace="shop",pod="web"} 20 100500',
        'container_start_time_seconds{container="a",namespace="shop",pod="web"} 50.0',
        'container_start_time_seconds{container="b",namespace="shop",pod="web"} 50.0',
        "node_cpu_usage_seconds_total 7.5 101000",
        "node_memory_working_set_bytes 600 101000",
        'pod_cpu_usage_seconds_total{namespace="shop",pod="web"} 3.5 100500',
        'pod_memory_working_set_bytes{namespace="shop",pod="web"} 30.0 100500',
        "resource_scrape_error 0",
    ]
    assert "# HELP node_memory_working_set_bytes [STABLE] Current working set of the node in bytes\n" in text
    assert "# TYPE node_cpu_usage_seconds_total counter\n" in text


def test_of_a_node_without_pods_only_the_node_is_told() -> None:
    names = [line.split("{")[0].split()[0] for line in samples(exposition.resource([], STATS, LOAD, MACHINE, 1.0))]
    assert names == ["node_cpu_usage_seconds_total", "node_memory_working_set_bytes", "resource_scrape_error"]


def test_containers_as_cadvisor_tells_them() -> None:
    found = samples(exposition.cadvisor([POD], STATS[:1], MACHINE))
    who = 'id="id-a",image="quoted\\"",name="id-a",namespace="shop",pod="web"'
    assert found == [
        f'container_cpu_usage_seconds_total{{container="a",cpu="total",{who}}} 1.5 100500',
        f'container_fs_usage_bytes{{container="a",{who}}} 30 100500',
        f'container_memory_rss{{container="a",{who}}} 12 100500',
        f'container_memory_usage_bytes{{container="a",{who}}} 11 100500',
        f'container_memory_working_set_bytes{{container="a",{who}}} 10 100500',
        f'container_start_time_seconds{{container="a",{who}}} 50.0 100500',
        "machine_cpu_cores 4",
        "machine_memory_bytes 1000",
    ]


def test_what_probes_came_to() -> None:
    good, bad = (ProbeCount("u-1", "shop", "web", "a", "Readiness", result) for result in ("successful", "failed"))
    of = 'container="a",namespace="shop",pod="web",pod_uid="u-1",probe_type="Readiness"'
    assert samples(exposition.probes({good: 7, bad: 2})) == [
        f'prober_probe_total{{{of},result="failed"}} 2',
        f'prober_probe_total{{{of},result="successful"}} 7',
    ]


def test_what_the_kubelet_tells_of_itself() -> None:
    assert samples(exposition.kubelet([POD], "n1"))[:4] == [
        'kubelet_node_name{node="n1"} 1',
        'kubelet_running_containers{container_state="exited"} 1',
        'kubelet_running_containers{container_state="running"} 2',
        "kubelet_running_pods 1",
    ]


def test_the_summary_tells_of_the_whole_node_and_of_what_runs() -> None:
    node_stats = NodeStats(MACHINE, LOAD, DiskUsage(100, 60, 10, 4))
    found = summary("n1", [POD], STATS, node_stats, datetime.fromtimestamp(101, UTC))
    node, (pod,) = found["node"], found["pods"]
    assert (node["cpu"]["usageCoreNanoSeconds"], node["memory"]["workingSetBytes"], node["fs"]["usedBytes"]) == (7_500_000_000, 600, 40)
    assert (node["fs"]["inodesUsed"], node["rlimit"]["maxpid"]) == (6, 32768)
    assert (pod["podRef"]["name"], pod["cpu"]["usageCoreNanoSeconds"]) == ("web", 3_500_000_000)
    assert [(one["name"], one["startTime"], one["memory"]["workingSetBytes"]) for one in pod["containers"]] == [
        ("a", "1970-01-01T00:00:50Z", 10),
        ("b", "1970-01-01T00:00:50Z", 20),
    ]


def test_the_processors_of_a_machine_have_done_something() -> None:
    assert LinuxHost(SystemClock()).load().cpu_seconds > 0
