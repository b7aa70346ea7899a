"""A node over the real registry, in virtual time, for the tests of the kubelet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pilothouse.api.types.core_v1 import Container, Event, Namespace, Pod, PodSpec
from pilothouse.client.call import Call, Transport, WatchEvent
from pilothouse.client.client import Client
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.simulated import SimulatedHost
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.probes.simulated import SimulatedNetwork
from pilothouse.kubelet.runtime.simulated import SimulatedRuntime
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.control_plane import ControlPlane


class Line:
    """The way to the API, which may be `cut`."""

    def __init__(self, client: Client) -> None:
        self._transport: Transport = client.transport
        self.cut = False

    async def call(self, call: Call) -> Any:
        if self.cut:
            raise ConnectionError("the API is not there")
        return await self._transport.call(call)

    def watch(self, call: Call) -> AsyncIterator[WatchEvent[Any]]:
        if self.cut:
            raise ConnectionError("the API is not there")
        return self._transport.watch(call)


class Node:
    """One simulated node and the API beside it; `advance` moves the time of both."""

    def __init__(self, plane: ControlPlane, clock: VirtualClock, entropy: Entropy) -> None:
        self.plane, self.clock, self.client = plane, clock, plane.client
        self.entropy = entropy
        self.runtime = SimulatedRuntime(clock, entropy)
        self.host = SimulatedHost()
        self.probes_fail: set[tuple[str, int]] = set()
        self.line = Line(plane.client_of("system:node:node-0", "system:nodes"))
        self.kubelet = self.make()
        self._task: asyncio.Task[None] | None = None

    def make(self) -> Kubelet:
        config = KubeletConfig(node_ip="10.0.0.5", cluster_dns=("10.96.0.10",), static_pod_path="/manifests")
        network = SimulatedNetwork(lambda kind, host, port: (kind, port) not in self.probes_fail)
        return Kubelet(
            Client(self.line),
            "node-0",
            self.runtime,
            self.clock,
            self.entropy,
            config,
            host=self.host,
            network=network,
        )

    async def start(self) -> None:
        self._task = asyncio.create_task(self.kubelet.run())
        await self.advance(1)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def restart(self) -> None:
        """Another kubelet process over the same containers and disks."""
        await self.stop()
        self.kubelet = self.make()
        await self.start()

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        if self._task is not None and self._task.done():
            self._task.result()

    async def run(self, pod: Pod, seconds: float = 5) -> Pod:
        """Create the pod on this node, and let some time pass."""
        await self.client.create(pod)
        await self.advance(seconds)
        return await self.pod(pod.metadata.name)

    async def pod(self, name: str) -> Pod:
        return await self.client.get(Pod, name, "default")

    async def pods(self) -> list[str]:
        return [one.metadata.name for one in (await self.client.list(Pod)).items]

    async def events(self, reason: str = "") -> list[str]:
        found = await self.client.list(Event)
        return [one.message for one in found.items if reason in {"", one.reason}]


@asynccontextmanager
async def node(**options: Any) -> AsyncIterator[Node]:
    """A node that is registered and waits for pods."""
    clock, entropy = VirtualClock(), Entropy(1)
    plane = ControlPlane(clock, entropy, controllers=False, scheduler=False)
    task = asyncio.create_task(plane.run())
    await plane.registry.start()
    for name in ("default", "kube-node-lease"):
        try:
            await plane.client.create(Namespace(metadata=ObjectMeta(name=name)))
        except Exception as error:
            assert "exists" in str(error)  # noqa: PT017
    made = Node(plane, clock, entropy)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def a_pod(name: str = "web", *containers: Container, **spec: Any) -> Pod:
    """A pod bound to the node, of one container `app` unless others are given."""
    own = list(containers) or [Container(name="app", image="app:1")]
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("automountServiceAccountToken", False)
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=PodSpec(containers=own, nodeName="node-0", **spec))
