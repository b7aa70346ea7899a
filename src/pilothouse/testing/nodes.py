"""A node that simulates its containers: the real kubelet over a runtime, a host and a network that live in memory.

What its images and containers do is told to its `runtime` (`kubelet/runtime/simulated.py`).
"""

from __future__ import annotations

from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.simulated import SimulatedHost
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.probes.simulated import SimulatedNetwork
from pilothouse.kubelet.runtime.simulated import SimulatedRuntime


class SimulatedNode:
    """One kubelet; `run` it until the node is to fall silent."""

    def __init__(self, name: str, address: str, client: Client, runtime: SimulatedRuntime, clock: Clock, entropy: Entropy) -> None:
        # Without a port the API server knows that there is nobody to talk to, and sends no packet to made-up addresses.
        config = KubeletConfig(node_ip=address, hostname=name, cluster_dns=("10.96.0.10",), port=0)
        self.network = SimulatedNetwork(runtime.answers)
        self.kubelet = Kubelet(client, name, runtime, clock, entropy, config, host=SimulatedHost(hostname=name), network=self.network)

    async def run(self) -> None:
        await self.kubelet.run()
