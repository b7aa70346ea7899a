"""What the API is told of a node, and whom the node does not take."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from pilothouse.api.types.core_v1 import (
    AppArmorProfile,
    Container,
    NodeCondition,
    NodeStatus,
    Pod,
    PodSecurityContext,
    SecurityContext,
    Sysctl,
)
from pilothouse.api.types.core_v1 import Node as NodeObject
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import DiskUsage, Machine
from pilothouse.kubelet.node.admission import NodeFeatures, admit
from pilothouse.kubelet.node.status import NodeObservation, allocatable, images, node_status
from pilothouse.kubelet.runtime.images import Image
from pilothouse.kubelet.runtime.port import RuntimeCondition, RuntimeVersion
from tests.unit.kubelet.harness import a_pod, node

GIBIBYTE = 1 << 30
NOW, BEFORE = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
MACHINE = Machine(4, 8 * GIBIBYTE, kernel="6.1", os_image="Debian", machine_id="m", boot_id="b", hugepages={"2Mi": 4 << 20})
HARD = {"memory.available": "100Mi", "nodefs.available": "10%"}


def status(machine: Machine = MACHINE, *runtime: RuntimeCondition, error: str = "", old: NodeStatus | None = None) -> NodeStatus:
    version = RuntimeVersion("containerd", "1.6")
    seen = NodeObservation(machine, DiskUsage(100 * GIBIBYTE, 50 * GIBIBYTE), version, runtime, problems=(error,) if error else ())
    config = KubeletConfig(node_ip="10.0.0.5", eviction_hard=HARD, system_reserved={"cpu": "500m"})
    found: NodeStatus = node_status(seen, config, "n", old or NodeStatus(), NOW)
    return found


def test_what_pods_may_have_is_what_there_is_without_what_is_kept_back() -> None:
    found = status()
    assert found.capacity == {
        "cpu": "4",
        "ephemeral-storage": "100Gi",
        "hugepages-2Mi": "4Mi",
        "memory": "8Gi",
        "pods": "110",
    }
    assert found.allocatable == {
        **found.capacity,
        "cpu": "3500m",
        "ephemeral-storage": "90Gi",
        "memory": f"{8 * 1024 - 100 - 4}Mi",
    }


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        pytest.param({}, ("8Gi", "100Gi"), id="nothing"),
        pytest.param({"memory.available": "100Mi", "nodefs.available": "1Gi"}, ("8092Mi", "99Gi"), id="amounts"),
        pytest.param({"memory.available": "50%", "nodefs.available": "10%"}, ("4Gi", "90Gi"), id="percentages"),
        pytest.param({"memory.available": "9Gi", "nodefs.available": "1Ti"}, ("0", "0"), id="more than there is"),
    ],
)
def test_what_evictions_keep_free_pods_may_not_have(hard: dict[str, str], expected: tuple[str, str]) -> None:
    found = allocatable({"memory": "8Gi", "ephemeral-storage": "100Gi"}, KubeletConfig(eviction_hard=hard))
    assert (found["memory"], found["ephemeral-storage"]) == expected


def test_the_node_is_described() -> None:
    info = status().nodeInfo
    assert info is not None
    assert (info.containerRuntimeVersion, info.kubeletVersion, info.osImage) == ("containerd://1.6", "v1.37.0", "Debian")
    assert (info.systemUUID, info.kubeProxyVersion, info.swap) == ("m", "", None)
    assert [(one.type, one.address) for one in status().addresses] == [("InternalIP", "10.0.0.5"), ("Hostname", "n")]
    swapping = status(Machine(4, GIBIBYTE, swap=GIBIBYTE)).nodeInfo
    assert swapping is not None
    assert swapping.swap is not None
    assert swapping.swap.capacity == GIBIBYTE


NETWORK = RuntimeCondition("NetworkReady", False, "NetworkPluginNotReady", "cni is not there")
RUNTIME = RuntimeCondition("RuntimeReady", False, "Down", "x")


@pytest.mark.parametrize(
    ("runtime", "error", "expected"),
    [
        pytest.param((), "", "kubelet is posting ready status", id="ready"),
        pytest.param(
            (NETWORK,),
            "",
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:cni is not there",
            id="no network",
        ),
        pytest.param((), "container runtime is down", "container runtime is down", id="no runtime"),
        pytest.param(
            (RUNTIME, NETWORK),
            "",
            "[container runtime not ready: RuntimeReady=false reason:Down message:x, "
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:cni is not there]",
            id="neither",
        ),
    ],
)
def test_why_a_node_is_not_ready(runtime: tuple[RuntimeCondition, ...], error: str, expected: str) -> None:
    ready = status(MACHINE, *runtime, error=error).conditions[-1]
    is_ready = not runtime and not error
    assert (ready.type, ready.status, ready.reason, ready.message) == (
        "Ready",
        str(is_ready),
        "KubeletReady" if is_ready else "KubeletNotReady",
        expected,
    )


def test_conditions_of_others_stay_and_times_change_with_the_status() -> None:
    old = [
        NodeCondition(type="NetworkUnavailable", status="False"),
        NodeCondition(type="Ready", status="True", lastTransitionTime=BEFORE),
        NodeCondition(type="DiskPressure", status="True", lastTransitionTime=BEFORE),
    ]
    found = {one.type: one for one in status(old=NodeStatus(conditions=old)).conditions}
    assert list(found) == ["NetworkUnavailable", "MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]
    assert (found["Ready"].lastTransitionTime, found["DiskPressure"].lastTransitionTime) == (BEFORE, NOW)
    assert found["Ready"].lastHeartbeatTime == NOW


def test_the_fifty_largest_images_are_named_with_five_names_at_most() -> None:
    many = [Image(f"i{size}", tuple(f"t{number}" for number in range(6)), ("d@sha256:1",), size) for size in range(60)]
    found = images([*many, Image("nameless", (), (), 1000)])
    assert len(found) == 50
    assert (found[0].sizeBytes, found[0].names) == (59, ["d@sha256:1", "t0", "t1", "t2", "t3"])


async def test_what_somebody_advertises_on_the_node_is_there_for_pods_as_long_as_he_does() -> None:
    async with node() as one:
        before = (await one.client.get(NodeObject, "node-0")).status.allocatable
        for value in ("4", "5", None):
            body = orjson.dumps({"status": {"capacity": {"example.com/dongle": value}}})
            await one.client.patch(NodeObject, "node-0", "", body, subresource="status")
            await one.advance(1)
            found = (await one.client.get(NodeObject, "node-0")).status
            assert found.capacity.get("example.com/dongle") == value
            assert found.allocatable == {**before, **({"example.com/dongle": value} if value else {})}
            await one.restart()
            after = (await one.client.get(NodeObject, "node-0")).status
            assert (after.capacity, after.allocatable) == (found.capacity, found.allocatable)


async def test_a_machine_that_was_up_anew_says_so() -> None:
    async with node() as one:
        one.host.machine_now = replace(MACHINE, boot_id="b-1")
        await one.advance(20)
        await one.restart()
        assert await one.events("Rebooted") == []
        await one.stop()
        one.host.machine_now = replace(MACHINE, boot_id="b-2")
        one.kubelet = one.make()
        await one.start()
        assert await one.events("Rebooted") == ["Node node-0 has been rebooted, boot id: b-2"]


def profiled(kind: str, *, of_pod: bool = False) -> Pod:
    profile = AppArmorProfile(type=kind)
    own = Container(name="app", securityContext=None if of_pod else SecurityContext(appArmorProfile=profile))
    return a_pod("web", own, securityContext=PodSecurityContext(appArmorProfile=profile) if of_pod else None)


@pytest.mark.parametrize(
    ("pod", "able", "expected"),
    [
        pytest.param(profiled("RuntimeDefault"), False, "AppArmor", id="a profile that nothing enforces"),
        pytest.param(profiled("Localhost", of_pod=True), False, "AppArmor", id="of the pod"),
        pytest.param(profiled("Unconfined"), False, "", id="unconfined"),
        pytest.param(profiled("RuntimeDefault"), True, "", id="enforced"),
        pytest.param(
            a_pod(securityContext=PodSecurityContext(sysctls=[Sysctl(name="net.core.somaxconn", value="1")])),
            True,
            "SysctlForbidden",
            id="sysctl",
        ),
        pytest.param(
            a_pod(securityContext=PodSecurityContext(sysctls=[Sysctl(name="net/ipv4/tcp_rmem", value="1")])), True, "", id="safe sysctl"
        ),
        pytest.param(
            a_pod(securityContext=PodSecurityContext(supplementalGroupsPolicy="Strict")),
            False,
            "SupplementalGroupsPolicyNotSupported",
            id="groups of the image kept away",
        ),
        pytest.param(a_pod(securityContext=PodSecurityContext(supplementalGroupsPolicy="Merge")), False, "", id="groups merged"),
        pytest.param(a_pod(securityContext=PodSecurityContext(supplementalGroupsPolicy="Strict")), True, "", id="a runtime that can"),
    ],
)
def test_what_a_node_cannot_enforce_it_does_not_take(pod: Pod, able: bool, expected: str) -> None:
    features = NodeFeatures(apparmor=able, supplemental_groups_policy=able)
    verdict = admit(pod, [], NodeObject(status=NodeStatus(allocatable={"pods": "9"})), features=features)
    assert ("" if verdict is None else verdict.reason) == expected
