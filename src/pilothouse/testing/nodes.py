"""A node that simulates its containers: the real kubelet over a runtime, a host and a network that live in memory.

- What its images and containers do is told to its `runtime` (`kubelet/runtime/simulated.py`).
- Once it serves, the kubelet's own server answers on loopback, with logs out of memory: whoever reaches it is trusted.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping

from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.simulated import SimulatedHost
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.probes.simulated import SimulatedNetwork
from pilothouse.kubelet.runtime.simulated import SimulatedRuntime

DAY_SECONDS = 86400.0
"""How often logs are looked at that are too large (those in memory keep themselves small), and for events that were lost (none are)."""


class NodeHost(SimulatedHost):
    """A machine on which the files of container logs are what its runtime keeps in memory."""

    def __init__(self, hostname: str, runtime: SimulatedRuntime) -> None:
        super().__init__(hostname=hostname)
        self._runtime = runtime

    async def read_tail(self, path: str, limit: int) -> bytes:
        """The end of a container's log from memory, or of a file."""
        log = self._runtime.logs.get(path)
        return await super().read_tail(path, limit) if log is None else log.tail(limit)


class ServedNode:
    """A simulated node of `up --runtime simulated`, with its own runtime, whose server the API server finds in `urls`."""

    def __init__(
        self, name: str, address: str, client: Client, pod_cidr: str, clock: Clock, entropy: Entropy, urls: MutableMapping[str, str]
    ) -> None:
        self._runtime = SimulatedRuntime(clock, entropy, pod_cidr=pod_cidr)
        self._node = SimulatedNode(name, address, client, self._runtime, clock, entropy)
        self._name = name
        self._urls = urls

    async def run(self) -> None:
        """Run the node and note its URL, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._node.run(), name=self._name)
            self._urls[self._name] = await self._node.serve()


class SimulatedNode:
    """One kubelet on a simulated machine; the node goes silent when `run` ends."""

    def __init__(self, name: str, address: str, client: Client, runtime: SimulatedRuntime, clock: Clock, entropy: Entropy) -> None:
        # Without a port the API server knows that nobody is to be reached at the node's address, and sends it no packet.
        config = KubeletConfig(
            node_ip=address,
            hostname=name,
            cluster_dns=("10.96.0.10",),
            port=0,
            log_rotation_seconds=DAY_SECONDS,
            relist_seconds=DAY_SECONDS,
            kubernetes_version=f"v{client.catalogue.level}.0",
        )
        self.network = SimulatedNetwork(runtime.answers)
        self.kubelet = Kubelet(client, name, runtime, clock, entropy, config, host=NodeHost(name, runtime), network=self.network)
        self._begun = asyncio.Event()
        self._tasks = asyncio.TaskGroup()

    async def run(self) -> None:
        """Run the kubelet until cancelled."""
        async with self._tasks as tasks:
            tasks.create_task(self.kubelet.run(), name="kubelet")
            self._begun.set()

    async def serve(self) -> str:
        """Let the API server at logs and streams; the URL where they are."""
        from pilothouse.testing.node_server import NodeServer  # late: only clusters with clients from outside need it

        await self._begun.wait()
        server = NodeServer(self.kubelet)
        self._tasks.create_task(server.run(), name="kubelet server")
        await server.started.wait()
        return server.url
