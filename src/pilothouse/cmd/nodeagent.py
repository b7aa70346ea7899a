"""The node agent as one process: containerd's keeper, kubelet, service proxy and cluster DNS, each an API client of its own.

It lives in the node's network and mount namespaces. Killing it harms no container: containerd and the shims run on, and the
next one takes over what it finds. containerd is started before the heavy imports, so that both go on side by side.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pilothouse.cluster.launch import CONTAINERD
from pilothouse.cluster.state import DOMAIN, KUBELET_PORT, ClusterState, Places
from pilothouse.cmd import process
from pilothouse.cmd.start import import_aiohttp
from pilothouse.kit.blocking import BlockingCalls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.component import Component
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.helper_process import HelperProcess
from pilothouse.kit.restarts import in_loop, keep_running, once
from pilothouse.node import cgroups, routes
from pilothouse.node.shims import Shims
from pilothouse.node.supervisor import Supervisor, import_local_images

if TYPE_CHECKING:
    from pilothouse.api.types.core_v1 import Pod
    from pilothouse.client.client import Client
    from pilothouse.kubelet.kubelet import Kubelet

log = logging.getLogger(__name__)

API_PORT = 6443
DNS_PORT = 53
LOOPBACK = "127.0.0.1"
POD_PIDS_LIMIT = 4096
"""Processes of one pod (upstream's podPidsLimit has no bound by default): a fork bomb fails its pod, and the machine goes on."""


class NodeAgent:
    """All components of a node, connected; `run()` runs them."""

    def __init__(self, state: ClusterState, places: Places, supervisor: Supervisor) -> None:
        self.state = state
        self.places = places
        self.supervisor = supervisor
        self.clock = SystemClock()
        self.entropy = Entropy()
        self.helper = HelperProcess()
        """Makes the calls that may hang."""

    async def run(self, begin: process.Begin) -> None:
        """Run every component of the node until cancelled."""
        self.helper.start()
        images = asyncio.create_task(self._images())
        parts = {name: once(make(), in_loop(make)) for name, make in self.parts().items()}
        await images
        async with asyncio.TaskGroup() as group:
            group.create_task(self.supervisor.run(), name="containerd")
            for name, make in parts.items():
                group.create_task(keep_running(name, make, self.clock), name=name)
            begin.serving()
            process.freeze_memory()
            log.info("kubelet, service proxy and DNS started", extra={"node": self.state.node_name, "address": self.state.node_address})

    async def _images(self) -> None:
        await self.supervisor.start()
        log.info("containerd answers", extra={"socket": self.supervisor.paths.socket})
        await import_local_images(self.supervisor.paths, self.places.images)

    def parts(self) -> Mapping[str, Callable[[], Sequence[Component]]]:
        """Components that are restarted when they fail; each has its own client."""
        return {
            "kubelet": self.kubelet,
            "service proxy": lambda: self.proxy(self.client("proxy")),
            "cluster DNS": lambda: [self.dns(self.client("dns"))],
        }

    def kubelet(self) -> Sequence[Component]:
        """The kubelet and its server."""
        from pilothouse.kubelet.cgroups import ThreadedCgroups
        from pilothouse.kubelet.config import KubeletConfig
        from pilothouse.kubelet.host.linux import LinuxHost
        from pilothouse.kubelet.kubelet import Kubelet
        from pilothouse.kubelet.runtime.call_queue import CallQueue
        from pilothouse.kubelet.runtime.cri import CriRuntime
        from pilothouse.kubelet.server.access import Access
        from pilothouse.kubelet.server.server import KubeletServer, KubeletTLS
        from pilothouse.kubelet.server.system_logs import FOLDER

        state, places = self.state, self.places
        config = KubeletConfig(
            root_dir=str(places.kubelet),
            pod_log_dir=str(places.logs / "pods"),
            node_ip=state.node_address,
            cluster_dns=(state.dns_service,),
            cluster_domain=DOMAIN,
            pod_cidr=state.node_pod_range,
            cgroup_root=cgroups.root_of(state.name),
            port=KUBELET_PORT,
            static_pod_path=str(places.manifests),
            pod_pids_limit=POD_PIDS_LIMIT,
            kubernetes_version=f"v{state.kubernetes_version}.0",
        )
        queue = CallQueue(self.clock, os.cpu_count() or 1)
        runtime = CriRuntime(str(places.containerd.socket), self.clock, queue)
        calls = BlockingCalls(self.clock, executor=self.helper)
        client = self.client("kubelet")
        kubelet = Kubelet(
            client,
            state.node_name,
            runtime,
            self.clock,
            self.entropy,
            config,
            host=LinuxHost(self.clock, calls),
            cgroups=ThreadedCgroups(cgroups.LinuxCgroups(), calls),
            shims=Shims(places.containerd.socket),
            busy=queue.starting,
        )
        tls = KubeletTLS(str(places.pki / "ca.crt"), str(places.pki / "kubelet.crt"), str(places.pki / "kubelet.key"))
        server = KubeletServer(
            Pods(kubelet),
            runtime,
            self.clock,
            node_name=state.node_name,
            host=state.node_address,
            port=KUBELET_PORT,
            tls=tls,
            access=Access(client, state.node_name, self.clock),
            system_logs=FOLDER,
            measure=kubelet.node_stats,
            config=config,
            problem=kubelet.relist.problem,
        )
        return [kubelet, server]

    def proxy(self, client: Client) -> Sequence[Component]:
        """The service proxy with its health and metrics servers."""
        from pilothouse.proxy.backends.nftables import TABLE, NftablesBackend
        from pilothouse.proxy.backends.nftables_rules import Frame
        from pilothouse.proxy.metrics_server import MetricsServer
        from pilothouse.proxy.nodehealth import NodeHealth
        from pilothouse.proxy.proxy import Proxy

        state = self.state
        frame = Frame(TABLE, [state.node_address], [state.service_range], [state.pod_range])
        proxy = Proxy(client, state.node_name, [state.node_address], NftablesBackend(frame), self.clock)
        addresses = [state.node_address, LOOPBACK]
        health = NodeHealth(client, state.node_name, addresses, self.clock, proxy.synced.is_set, proxy.metrics)
        return [proxy, health, MetricsServer(proxy.metrics, "nftables", self.clock)]

    def dns(self, client: Client) -> Component:
        """The cluster's DNS server; it asks the machine's own resolvers when Pods may reach the outside."""
        from pilothouse.dns.server import DnsServer

        upstream = [(address, DNS_PORT) for address in routes.name_servers()] if self.state.egress else []
        return DnsServer(
            client,
            [(self.state.node_address, DNS_PORT)],
            DOMAIN,
            clock=self.clock,
            entropy=self.entropy,
            upstream=upstream,
            ranges=[self.state.service_range, self.state.pod_range],
        )

    def client(self, identity: str) -> Client:
        """An API client with the certificate of this identity."""
        from pilothouse.client.client import Client
        from pilothouse.client.http import HttpTransport

        pki = self.places.pki
        return Client(
            HttpTransport(
                f"https://{self.state.node_address}:{API_PORT}",
                ca_file=str(pki / "ca.crt"),
                certificate_file=str(pki / f"{identity}.crt"),
                key_file=str(pki / f"{identity}.key"),
                user_agent=f"{identity}/pilothouse",
                clock=self.clock,
                entropy=self.entropy,
            )
        )


class Pods:
    """The kubelet as its server sees it."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet

    def pods(self) -> Iterable[Pod]:
        """The Pods that the kubelet knows."""
        return self._kubelet.known_pods()


def load() -> None:
    """Import what is heavy while containerd starts and the starter still prepares."""
    import_aiohttp()

    import grpc

    import pilothouse.kubelet.kubelet

    del grpc, pilothouse


def main() -> None:
    """Entry point of the node agent's process."""
    begin = process.begin("The node agent of a Pilothouse cluster.")
    state = begin.state()
    places = begin.places
    supervisor = Supervisor(
        places.containerd,
        places.pid(CONTAINERD),
        places.log(CONTAINERD),
        SystemClock(),
        pod_cidr=state.node_pod_range,
        mtu=state.mtu,
    )
    supervisor.spawn_or_adopt()
    load()
    begin.wait()
    process.run(begin, lambda: NodeAgent(state, places, supervisor).run(begin))


if __name__ == "__main__":
    main()
