"""What only real containers show of the CRI runtime: a private containerd in namespaces of its own, without a cluster."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from pilothouse.cluster.launch import environment
from pilothouse.cluster.node import prepare_mounts
from pilothouse.kit.clock import SystemClock, wait_for
from pilothouse.kubelet.runtime.containers import ContainerConfig, ContainerState
from pilothouse.kubelet.runtime.cri import CriRuntime
from pilothouse.kubelet.runtime.port import EventType, RuntimeEvent
from pilothouse.kubelet.runtime.sandboxes import NamespaceMode, Namespaces, PortMapping, Resources, SandboxConfig, SandboxSecurity
from pilothouse.node import cgroups, images, mounts, namespaces, processes
from pilothouse.node.containerd import ContainerdPaths
from pilothouse.node.supervisor import Supervisor, import_local_images

NAME = f"cri-{os.getpid()}"
POD_RANGE = "10.253.64.0/24"
ROOT = Path("/var/tmp") / NAME
MOUNTS = ROOT / "namespaces" / "mnt"
LABELS = {"io.kubernetes.pod.uid": "containerd"}


@pytest.fixture(scope="module")
def socket() -> Iterator[str]:
    """The socket of a containerd that lives in namespaces of its own, and is gone afterwards with all its traces."""
    assert os.geteuid() == 0, "end-to-end tests need root: run `make e2e`"
    paths = ContainerdPaths(ROOT / "containerd", ROOT / "run")
    supervisor = Supervisor(paths, ROOT / "pid", ROOT / "log", SystemClock(), pod_cidr=POD_RANGE, mtu=1500)
    try:
        namespaces.make_network(NAME)
        namespaces.make_mounts(str(MOUNTS), prepare_mounts)
        paths.root.mkdir(parents=True)
        paths.run.mkdir()
        supervisor.write_configuration()
        enter = namespaces.entering(namespaces.network_path(NAME), str(MOUNTS))
        command = ["containerd", "-c", str(paths.configuration)]
        processes.write_pid_file(ROOT / "pid", processes.spawn(command, ROOT / "log", environment=environment(), before=enter))
        asyncio.run(supervisor.start())
        asyncio.run(import_local_images(paths, ROOT / "images"))
        yield str(paths.socket)
    finally:
        inside = processes.in_namespace(str(MOUNTS), "mnt")
        processes.kill([*inside, *processes.in_cgroup(f"/{NAME}")])
        namespaces.inside_mounts(str(MOUNTS), lambda: cgroups.remove_tree(f"/{NAME}"))
        namespaces.remove(str(MOUNTS))
        namespaces.remove(namespaces.network_path(NAME))
        mounts.unmount_below(str(ROOT))
        shutil.rmtree(ROOT, ignore_errors=True)


@pytest.fixture
async def runtime(socket: str) -> AsyncIterator[CriRuntime]:
    opened = CriRuntime(socket, SystemClock())
    yield opened
    for box in await opened.list_pod_sandboxes(labels=LABELS):
        await opened.stop_pod_sandbox(box.id)
        await opened.remove_pod_sandbox(box.id)
    await opened.close()


def sandbox(name: str, **other: object) -> SandboxConfig:
    settings = {"log_directory": str(ROOT / "logs" / name), "labels": LABELS, "cgroup_parent": f"/{NAME}/{name}", **other}
    return SandboxConfig(name, f"uid-{name}", "default", **settings)  # type: ignore[arg-type]


async def started(runtime: CriRuntime, config: SandboxConfig, command: list[str], **other: object) -> str:
    box = await runtime.run_pod_sandbox(config)
    container = ContainerConfig("app", images.BUSYBOX, command=command, labels=LABELS, log_path="app.log", **other)  # type: ignore[arg-type]
    made = await runtime.create_container(box, container, config)
    await runtime.start_container(made)
    return made


def content(path: str | Path) -> str:
    path = Path(path)
    return path.read_text().strip() if path.exists() else ""


async def test_the_pause_program_reaps_orphans(runtime: CriRuntime) -> None:
    shared = sandbox("orphans", security=SandboxSecurity(Namespaces(pid=NamespaceMode.POD)))
    box = await runtime.run_pod_sandbox(shared)
    container = ContainerConfig("app", images.BUSYBOX, command=["sleep", "3600"], labels=LABELS)
    container.security.namespaces = Namespaces(pid=NamespaceMode.POD)
    made = await runtime.create_container(box, container, shared)
    await runtime.start_container(made)
    await runtime.exec_sync(made, ["sh", "-c", "(sleep 0.1 &) ; true"], 5)
    await asyncio.sleep(0.4)
    shown = (await runtime.exec_sync(made, ["ps", "-o", "pid,stat,args"], 5)).stdout.decode()
    assert "/pause" in shown
    assert not [line for line in shown.splitlines() if " Z" in line], shown


async def test_limits_reach_the_kernel(runtime: CriRuntime) -> None:
    limits = Resources(cpu_period=100_000, cpu_quota=20_000, cpu_shares=205, memory_limit=32 << 20, oom_score_adj=900)
    made = await started(runtime, sandbox("limits"), ["sleep", "3600"], resources=limits)
    status = await runtime.container_status(made)
    assert status.pid > 0
    assert content(f"/proc/{status.pid}/oom_score_adj") == "900"
    files = {"memory/{}/memory.limit_in_bytes": "33554432", "cpu/{}/cpu.cfs_quota_us": "20000"}
    unified = {"{}/memory.max": "33554432", "{}/cpu.max": "20000 100000"}

    def look() -> list[str]:
        """In the node's mounts: in a chroot the machine's cgroups may be mounted there only."""
        wanted = unified if cgroups.is_unified() else files
        return [f"{file} {content(f'/sys/fs/cgroup/{file}'.format(f'{NAME}/limits/{made}'))}" for file in wanted]

    expected = [f"{file} {value}" for file, value in [*files.items(), *unified.items()]]
    found = namespaces.inside_mounts(str(MOUNTS), look)
    assert len(found) == 2
    assert set(found) <= set(expected)


async def test_running_out_of_memory_is_told(runtime: CriRuntime) -> None:
    hungry = ["sh", "-c", "tail /dev/zero"]
    made = await started(runtime, sandbox("hungry"), hungry, resources=Resources(memory_limit=16 << 20))
    for _ in range(200):
        status = await runtime.container_status(made)
        if status.container.state is ContainerState.EXITED:
            break
        await asyncio.sleep(0.05)
    assert (status.exit_code, status.reason) == (137, "OOMKilled")


async def test_output_is_logged_in_order(runtime: CriRuntime) -> None:
    await started(runtime, sandbox("talker"), ["sh", "-c", "echo one; echo two >&2; sleep 3600"])
    path = ROOT / "logs" / "talker" / "app.log"
    for _ in range(100):
        if len(content(path).splitlines()) == 2:
            break
        await asyncio.sleep(0.05)
    assert sorted(line.split(" ", 1)[1] for line in content(path).splitlines()) == ["stderr F two", "stdout F one"]


async def test_events_come_when_the_status_shows_them(runtime: CriRuntime) -> None:
    heard: list[tuple[RuntimeEvent, ContainerState]] = []

    async def listen() -> None:
        async with aclosing(runtime.events()) as events:
            async for event in events:
                if event.type is EventType.CONTAINER_STOPPED:
                    heard.append((event, (await runtime.container_status(event.container_id)).container.state))
                if len(heard) == 10:
                    return

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0.2)
    config = sandbox("brief")
    box = await runtime.run_pod_sandbox(config)
    for attempt in range(10):
        made = await runtime.create_container(box, ContainerConfig("app", images.BUSYBOX, attempt, command=["true"], labels=LABELS), config)
        await runtime.start_container(made)
    await wait_for(SystemClock(), listener, 20)
    assert {state for _, state in heard} == {ContainerState.EXITED}


async def test_host_ports_and_hairpin(runtime: CriRuntime) -> None:
    server = ["sh", "-c", "mkdir /tmp/w; echo served > /tmp/w/index.html; httpd -f -p 8080 -h /tmp/w"]
    made = await started(runtime, sandbox("ports", ports=(PortMapping(8080, 18080),)), server)
    box = (await runtime.container_status(made)).container.sandbox_id
    address = (await runtime.pod_sandbox_status(box)).ips[0]
    gateway = POD_RANGE.rpartition(".")[0] + ".1"
    for url in (f"http://{address}:8080/", f"http://{gateway}:18080/"):
        for _ in range(50):
            got = await runtime.exec_sync(made, ["wget", "-q", "-O", "-", url], 5)
            if got.exit_code == 0:
                break
            await asyncio.sleep(0.1)
        assert got.stdout == b"served\n", (url, got)


async def test_usage_is_measured(runtime: CriRuntime) -> None:
    made = await started(runtime, sandbox("busy"), ["sh", "-c", "while true; do :; done"])
    await asyncio.sleep(0.5)
    stats = await runtime.container_stats(made)
    assert stats.cpu_usage_nanoseconds > 1_000_000
    assert stats.memory_usage > 0
    await runtime.stop_container(made, 0)
