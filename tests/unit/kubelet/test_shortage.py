"""What happens when the node runs short: images that nobody uses go first, then pods, one at a time, in upstream's order."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core_v1 import (
    Container,
    EmptyDirVolumeSource,
    NodeStatus,
    Pod,
    PodSpec,
    ResourceRequirements,
    Toleration,
    Volume,
)
from pilothouse.api.types.core_v1 import Node as NodeObject
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.eviction.limits import Disk, exceeded
from pilothouse.kubelet.eviction.ranking import Usage, message, ranked
from pilothouse.kubelet.eviction.signals import Pressure, Signal, Threshold, signals, thresholds
from pilothouse.kubelet.host.port import DiskUsage, Load
from pilothouse.kubelet.images.collector import Record, choose, to_free
from pilothouse.kubelet.logs import too_old
from pilothouse.kubelet.node.admission import admit
from pilothouse.kubelet.runtime.images import Image
from pilothouse.kubelet.runtime.port import RuntimeFailure
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.kubelet.harness import a_pod, node

MEBIBYTE = 1 << 20


@pytest.mark.parametrize(("available", "expected"), [(16, 0), (15, 5), (14, 6), (0, 20)], ids=["below", "at the mark", "above", "full"])
def test_how_much_is_to_be_freed(available: int, expected: int) -> None:
    assert to_free(DiskUsage(100, available), 85, 80) == expected


def test_the_longest_unused_image_goes_first() -> None:
    images = [
        Image("a", ("x/a:1",), size=10),
        Image("b", ("x/b:1",), size=10),
        Image("used", ("x/c:1",), size=10),
        Image("young", ("x/d:1",), size=10),
        Image("pinned", ("x/e:1",), size=10, pinned=True),
        Image("ours", ("pilothouse.local/busybox:1",), size=10),
    ]
    records = {one.id: Record(0.0) for one in images}
    records["a"].last_used = 50.0
    records["young"].first_seen = 990.0
    config = KubeletConfig()
    assert [one.id for one in choose(images, records, {"used"}, 5, 1000.0, config)] == ["b"]
    assert [one.id for one in choose(images, records, {"used"}, 500, 1000.0, config)] == ["b", "a"]


def test_thresholds_are_amounts_or_shares() -> None:
    found = signals(Load(50 * MEBIBYTE), 1000 * MEBIBYTE, DiskUsage(1000, 90, 100, 50), DiskUsage(1000, 90, 100, 50))
    config = KubeletConfig(eviction_hard={"nodefs.available": "10%", "memory.available": "100Mi", "nodefs.inodesFree": "5%"})
    acting = Pressure(300).observe(thresholds(config), found, 0.0)
    assert [(one.signal, one.condition) for one in acting] == [("memory.available", "MemoryPressure"), ("nodefs.available", "DiskPressure")]


def looks(threshold: Threshold, *seen: tuple[float, int]) -> list[bool]:
    """Whether it asks for evictions at each look: when that is, and what is available of 1000."""
    pressure = Pressure(300)
    return [bool(pressure.observe([threshold], {threshold.signal: Signal(available, 1000)}, now)) for now, available in seen]


@pytest.mark.parametrize(
    ("threshold", "seen", "expected"),
    [
        pytest.param(Threshold("nodefs.available", "100"), [(0, 99), (10, 100)], [True, False], id="hard: at once"),
        pytest.param(
            Threshold("nodefs.available", "10%", hard=False, grace_seconds=30),
            [(0, 99), (29, 99), (30, 99), (40, 100), (50, 99)],
            [False, False, True, False, False],
            id="soft: after its grace period, which begins anew",
        ),
        pytest.param(
            Threshold("nodefs.available", "100", minimum_reclaim="50"),
            [(0, 120), (10, 99), (20, 120), (30, 150), (40, 120)],
            [False, True, True, False, False],
            id="what was crossed is so until more is free",
        ),
        pytest.param(Threshold("pid.available", "5%"), [(0, 49), (10, 50)], [True, False], id="processes"),
        pytest.param(Threshold("imagefs.inodesFree", "5%"), [(0, 49)], [True], id="inodes"),
    ],
)
def test_when_a_threshold_asks_for_evictions(threshold: Threshold, seen: list[tuple[float, int]], expected: list[bool]) -> None:
    assert looks(threshold, *seen) == expected


def test_a_condition_stays_for_a_while_after_its_cause() -> None:
    pressure, threshold = Pressure(300), Threshold("pid.available", "10")
    pressure.observe([threshold], {"pid.available": Signal(9, 100)}, 0.0)
    pressure.observe([threshold], {"pid.available": Signal(20, 100)}, 10.0)
    assert (pressure.conditions(299.0), pressure.conditions(301.0)) == ({"PIDPressure"}, set())


def pod(name: str, request: str = "0", priority: int = 0) -> Pod:
    own = Container(name="c", resources=ResourceRequirements(requests={"memory": request}))
    return Pod(metadata=ObjectMeta(name=name, uid=name), spec=PodSpec(containers=[own], priority=priority))


def test_who_goes_first() -> None:
    pods = [pod("modest", "100Mi"), pod("greedy", "10Mi"), pod("greedier", "10Mi"), pod("important", "10Mi", 1000)]
    usage = {name: Usage({"c": used * MEBIBYTE}) for name, used in {"modest": 90, "greedy": 50, "greedier": 60, "important": 70}.items()}
    assert [one.metadata.name for one in ranked(pods, usage, "memory")] == ["greedier", "greedy", "important", "modest"]


def test_who_has_more_processes_goes_first_whatever_was_requested() -> None:
    pods = [pod("few"), pod("many"), pod("important", priority=1000)]
    usage = {name: Usage(volumes=used) for name, used in {"few": 3, "many": 300, "important": 3000}.items()}
    assert [one.metadata.name for one in ranked(pods, usage, "pids")] == ["many", "few", "important"]


@pytest.mark.parametrize(
    ("resource", "threshold", "signal", "expected"),
    [
        pytest.param(
            "memory",
            Threshold("memory.available", "100Mi"),
            Signal(10 << 20, 1 << 30),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 10Mi. "
            "Container c was using 50Mi, request is 10Mi, has larger consumption of memory. ",
            id="bytes",
        ),
        pytest.param(
            "inodes",
            Threshold("nodefs.inodesFree", "5%"),
            Signal(12_345, 1_000_000),
            "The node was low on resource: inodes. Threshold quantity: 50k, available: 12345. ",
            id="inodes",
        ),
        pytest.param(
            "pids",
            Threshold("pid.available", "1k"),
            Signal(7, 32768),
            "The node was low on resource: pids. Threshold quantity: 1k, available: 7. ",
            id="processes",
        ),
    ],
)
def test_what_an_evicted_pod_is_told(resource: str, threshold: Threshold, signal: Signal, expected: str) -> None:
    told = message(pod("greedy", "10Mi"), Usage({"c": 50 * MEBIBYTE}), resource, [threshold], {threshold.signal: signal})
    assert told == expected


def test_critical_pods_never_go() -> None:
    assert ranked([pod("critical", priority=2_000_001_000)], {}, "memory") == []


NEEDS = Container(name="c", resources=ResourceRequirements(requests={"memory": "1Mi"}))
TOLERATES = Toleration(key="node.kubernetes.io/memory-pressure", operator="Exists")


@pytest.mark.parametrize(
    ("wanted", "pressures", "refused"),
    [
        pytest.param(a_pod(), {"MemoryPressure"}, "The node had condition: [MemoryPressure]. ", id="best effort"),
        pytest.param(a_pod("web", NEEDS), {"MemoryPressure"}, "", id="one that says what it needs"),
        pytest.param(a_pod(tolerations=[TOLERATES]), {"MemoryPressure"}, "", id="one that does not mind"),
        pytest.param(a_pod(priority=2_000_000_000), {"DiskPressure"}, "", id="critical"),
        pytest.param(
            a_pod("web", NEEDS, tolerations=[TOLERATES]),
            {"MemoryPressure", "DiskPressure"},
            "The node had condition: [DiskPressure MemoryPressure]. ",
            id="none but critical ones when the disk is short",
        ),
    ],
)
def test_what_a_node_under_pressure_takes(wanted: Pod, pressures: set[str], refused: str) -> None:
    verdict = admit(wanted, [], NodeObject(status=NodeStatus(allocatable={"memory": "1Gi", "pods": "9"})), pressures)
    assert ("" if verdict is None else verdict.message.removeprefix("Pod was rejected: ")) == refused


async def test_a_node_short_of_memory_says_so_and_evicts_one_pod_at_a_time() -> None:
    async with node() as one:
        await one.run(a_pod("one"))
        await one.run(a_pod("two"))
        one.host.load_now = Load(10 * MEBIBYTE)
        await one.advance(11)
        phases = sorted([(await one.pod(name)).status.phase for name in ("one", "two")])
        assert phases == ["Failed", "Running"]
        found = await one.client.get(NodeObject, "node-0")
        assert next(c.status for c in found.status.conditions if c.type == "MemoryPressure") == "True"
        failed = next(p for p in [await one.pod("one"), await one.pod("two")] if p.status.phase == "Failed")
        assert failed.status.reason == "Evicted"
        assert failed.status.message.startswith("The node was low on resource: memory. Threshold quantity: 100Mi, available: 10Mi.")
        assert next(c.reason for c in failed.status.conditions if c.type == "DisruptionTarget") == "TerminationByKubelet"
        assert await one.events("EvictionThresholdMet") == ["Attempting to reclaim memory"]
        assert await one.events("NodeHasInsufficientMemory") == ["Node node-0 status is now: NodeHasInsufficientMemory"]
        late = await one.run(a_pod("late"))
        assert (late.status.phase, late.status.reason) == ("Failed", "Evicted")
        assert late.status.message == "Pod was rejected: The node had condition: [MemoryPressure]. "
        one.host.load_now = Load(1000 * MEBIBYTE)
        await one.advance(400)
        found = await one.client.get(NodeObject, "node-0")
        assert next(c.status for c in found.status.conditions if c.type == "MemoryPressure") == "False"
        assert (await one.run(a_pod("later"))).status.phase == "Running"


async def test_a_node_short_of_disk_ends_who_fills_it_most() -> None:
    async with node() as one:
        volume = Volume(name="v", emptyDir=EmptyDirVolumeSource())
        for name in ("modest", "filling", "chatty"):
            await one.run(a_pod(name, Container(name="app", image="x/y:1"), volumes=[volume]))
        path = one.kubelet.volumes.path(await one.pod("filling"), "v")
        one.host.files[f"{path}/big"] = b"x" * 5000
        one.host.files[one.runtime.named("chatty", "app").status.log_path] = b"x" * 3072
        one.host.disk_usage = DiskUsage(100 << 30, 512 << 20, 1000, 900)
        await one.advance(11)
        phases = {name: (await one.pod(name)).status.phase for name in ("modest", "filling", "chatty")}
        assert phases == {"modest": "Running", "filling": "Failed", "chatty": "Running"}
        assert await one.events("EvictionThresholdMet") == ["Attempting to reclaim ephemeral-storage"]
        await one.advance(10)
        assert (await one.pod("chatty")).status.message == (
            "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 512Mi. "
            "Container app was using 3Ki, request is 0, has larger consumption of ephemeral-storage. "
        )


async def test_an_empty_dir_over_its_limit_ends_the_pod() -> None:
    async with node() as one:
        await one.run(a_pod("web", volumes=[Volume(name="v", emptyDir=EmptyDirVolumeSource(sizeLimit="1Ki"))]))
        path = one.kubelet.volumes.path(await one.pod("web"), "v")
        one.host.files[f"{path}/big"] = b"x" * 2000
        await one.advance(11)
        pod = await one.pod("web")
        assert (pod.status.reason, pod.status.message) == ("Evicted", 'Usage of EmptyDir volume "v" exceeds the limit "1Ki". ')
        assert not [each for each in pod.status.conditions if each.type == "DisruptionTarget"]


async def test_logs_over_a_containers_limit_end_the_pod() -> None:
    async with node() as one:
        own = Container(name="app", image="x/y:1", resources=ResourceRequirements(limits={"ephemeral-storage": "1Ki"}))
        await one.run(a_pod("web", own))
        one.host.files[one.runtime.named("web", "app").status.log_path] = b"x" * 2000
        await one.advance(11)
        pod = await one.pod("web")
        message = "Pod ephemeral local storage usage exceeds the total limit of containers 1Ki. "
        assert (pod.status.phase, pod.status.reason, pod.status.message) == ("Failed", "Evicted", message)


@pytest.mark.parametrize(
    ("limits", "disk", "expected"),
    [
        pytest.param({"a": "2Ki"}, Disk({"a": 2048}), "", id="at the limit"),
        pytest.param({"a": ""}, Disk({"a": 1 << 40}), "", id="no limit"),
        pytest.param(
            {"a": "2Ki", "b": "9Ki"},
            Disk({"a": 2049, "b": 1}),
            'Container a exceeded its local ephemeral storage limit "2Ki". ',
            id="one container's own",
        ),
        pytest.param(
            {"a": "2Ki", "b": ""},
            Disk({"a": 1, "b": 1 << 40}),
            "Pod ephemeral local storage usage exceeds the total limit of containers 2Ki. ",
            id="the pod's, though one container has none",
        ),
        pytest.param(
            {"a": "2Ki", "b": "2Ki"},
            Disk({"a": 1024, "b": 1024}, {"v": 2049}),
            "Pod ephemeral local storage usage exceeds the total limit of containers 4Ki. ",
            id="the pod's, with its volumes",
        ),
    ],
)
def test_what_is_over_its_limit(limits: dict[str, str], disk: Disk, expected: str) -> None:
    containers = [
        Container(name=name, resources=ResourceRequirements(limits={"ephemeral-storage": limit} if limit else {}))
        for name, limit in limits.items()
    ]
    assert exceeded(Pod(spec=PodSpec(containers=containers)), disk) == expected


async def test_a_large_log_is_rotated_and_older_ones_are_compressed_and_few() -> None:
    async with node() as one:
        await one.run(a_pod("web"))
        path = one.runtime.named("web", "app").status.log_path
        for _ in range(7):
            one.host.files[path] = b"x" * (11 * MEBIBYTE)
            await one.advance(11)
        found = sorted(name.removeprefix(path) for name in one.host.files if name.startswith(f"{path}."))
        assert len(found) == 4  # and the log that the container writes now
        assert [name.endswith(".gz") for name in found] == [True, True, True, False]


async def test_a_log_that_is_flooded_is_looked_at_more_often() -> None:
    async with node() as one:
        await one.run(a_pod("web"))
        path = one.runtime.named("web", "app").status.log_path
        one.host.files[path] = b"x" * (30 * MEBIBYTE)
        while path in one.host.files:
            await one.advance(0.5)
        one.host.files[path] = b"x" * (11 * MEBIBYTE)
        await one.advance(2)
        assert len([name for name in one.host.files if name.startswith(f"{path}.")]) == 2


async def test_a_log_that_cannot_be_opened_anew_keeps_its_name() -> None:
    async def fails(container_id: str) -> None:
        raise RuntimeFailure("cannot be opened")

    async with node() as one:
        await one.run(a_pod("web"))
        path = one.runtime.named("web", "app").status.log_path
        one.host.files[path] = b"x" * (11 * MEBIBYTE)
        one.runtime.reopen_container_log = fails  # type: ignore[method-assign]
        await one.advance(11)
        assert [name for name in one.host.files if name.startswith(path)] == [path]


def test_of_old_logs_only_the_newest_are_kept() -> None:
    names = ["0.log", *(f"0.log.2025010{day}-000000" for day in range(1, 6)), "0.log.20250106-000000.gz.tmp", "1.log.20250101-000000"]
    expected = ["/logs/app/0.log.20250106-000000.gz.tmp", *(f"/logs/app/0.log.2025010{day}-000000" for day in (1, 2))]
    assert too_old("/logs/app/0.log", names) == expected
