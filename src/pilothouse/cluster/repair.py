"""Puts the node's network back when somebody removed a part of it: links, addresses, routes, the masquerade table, the pods' bridge
and the rules of their host ports.

The kernel tells of every loss, in the host's network and in the node's; what is lost is looked for once they are quiet for SETTLE_SECONDS,
and made again under the cluster's lock. (The service proxy guards its own table: proxy/proxy.py.)
"""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

from pilothouse.cluster import launch
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.node import make_node
from pilothouse.cluster.state import ClusterState, Places, locked
from pilothouse.kit.clock import Clock
from pilothouse.node import host_ports, namespaces, netwatch, network, pod_network
from pilothouse.node.host_ports import HostPorts

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.5
RETRY_SECONDS = 5.0


class NetworkRepair:
    """Watches the network of one node and restores what was removed from it."""

    def __init__(self, places: Places, state: ClusterState, clock: Clock) -> None:
        self._places = places
        self._state = state
        self._clock = clock
        self._lost = asyncio.Event()
        self._suspects: set[str] = set()
        """Pods' interfaces that were missing at the last look: one that is missing twice is no pod that ends."""
        self._suspect_ports: set[Path] = set()
        """The same for records of pods whose host ports had no rules."""
        self._hopeless: set[Path] = set()
        """Records of pods whose host ports cannot be mended."""

    async def run(self) -> None:
        """Watch the kernel's messages and restore what was removed, until cancelled."""
        listeners = [*netwatch.open_sockets(), *self._inside()]
        self._lost.set()  # what was lost while nobody watched
        try:
            async with asyncio.TaskGroup() as group:
                for listener in listeners:
                    group.create_task(netwatch.watch(listener, self._lost.set), name="netlink")
                while True:
                    await self._lost.wait()
                    await self._clock.sleep(SETTLE_SECONDS)
                    self._lost.clear()
                    await self._look()
        finally:
            for listener in listeners:
                listener.close()

    def _inside(self) -> list[socket.socket]:
        path = namespaces.network_path(self._state.namespace)
        if not self._state.namespace or not namespaces.is_pinned(path):
            return []
        return namespaces.inside(path, netwatch.open_sockets)

    async def _look(self) -> None:
        try:
            made = await asyncio.to_thread(self._repair)
        except (ClusterFailure, network.NetworkFailure, OSError) as failure:
            log.error("the node's network cannot be mended", extra={"error": str(failure)})
            await self._clock.sleep(RETRY_SECONDS)
            self._lost.set()
            return
        if self._suspects or self._suspect_ports:
            self._lost.set()
            await self._clock.sleep(SETTLE_SECONDS)
        if made:
            log.warning("the node's network was mended", extra={"what": ", ".join(made)})

    def _repair(self) -> list[str]:
        """What was made again."""
        made = []
        lost, ports = self._missing_twice(), self._ports_missing_twice()
        if not self._places.wanted.exists() or (network.is_complete(self._state.link()) and lost is None and not ports):
            return []
        with locked(self._places, lambda _: None):
            if not self._places.wanted.exists():
                return []
            if not network.is_complete(self._state.link()):
                make_node(self._state, self._places)
                made.append("the link to the host")
            root = self._root()
            if root and lost is not None and pod_network.repair(self._state.namespace, root, self._state.mtu, lost):
                made.append("the pods' network")
            if root and ports:
                self._hopeless |= {pod.record for pod in ports if not host_ports.repair(self._state.namespace, root, pod)}
                made.append("the rules of host ports")
        return made

    def _ports_missing_twice(self) -> list[HostPorts]:
        """Host ports without rules at the last look and now."""
        root = self._root()
        missing = host_ports.missing(self._state.namespace, root) if root is not None else []
        lost = [pod for pod in missing if pod.record in self._suspect_ports and pod.record not in self._hopeless]
        self._suspect_ports = {pod.record for pod in missing} - {pod.record for pod in lost} - self._hopeless
        return lost

    def _missing_twice(self) -> list[str] | None:
        """Interfaces of pods that were missing at the last look and are now; None when nothing is to be done about the pods' network."""
        root = self._root()
        pods = pod_network.running(root) if root is not None else []
        there = network.masters(self._state.namespace)
        if pod_network.is_complete(pods, there):
            self._suspects = set()
            return None
        missing = {pod.host_name for pod in pod_network.missing_links(pods, there)}
        lost, self._suspects = missing & self._suspects, missing - self._suspects
        return sorted(lost)

    def _root(self) -> Path | None:
        """The node's mounts, as they are seen from here: containerd lives in them."""
        containerd = launch.running(self._places, launch.CONTAINERD)
        return Path(f"/proc/{containerd.id}/root") if containerd is not None else None
