"""The control plane as one process: store, registry, API server, controllers, scheduler, over one in-process client.

It lives in the host's network and listens on loopback there; the second socket, on the node's address, is opened in the
node's network namespace and stays there. Both take connections before anybody answers: who comes early waits, and is not refused.

The API is served first. Controllers and scheduler, whose imports cost as much again, are brought in beside it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Sequence

from pilothouse.api import catalogue
from pilothouse.apiserver.aggregation.tls import FrontProxy
from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.apiserver.audit.options import auditor_of
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.user import MASTERS
from pilothouse.apiserver.http.context import KubeletClient
from pilothouse.apiserver.paths.audit_metrics import AuditCollector
from pilothouse.apiserver.registry.encryption import encrypted
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.server import ApiServer, ServerTLS, new_event_loop
from pilothouse.apiserver.storage.encryption.effective import Encryption
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.apiserver.storage.sqlite_schema import StoreUnusable
from pilothouse.client.informers import Informers
from pilothouse.cluster import audit, encryption, launch, services, store
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.services import API_PORT
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.cluster.supervision import LOOK_SECONDS, STOPPED_LOOKS
from pilothouse.cluster.unserved import Unserved
from pilothouse.cmd import process
from pilothouse.cmd.api import Authentication, Reported, wire
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.kit.component import Component, run_all
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.restarts import BackOff, Make, in_loop, in_thread, keep_running, once
from pilothouse.machinery.errors import StatusError
from pilothouse.node import namespaces, processes
from pilothouse.proxy.loopback import LoopbackNodePorts

log = logging.getLogger(__name__)

LISTEN_BACKLOG = 4096
RELOAD_SECONDS = 2.0
"""Between two looks at the key of Secrets: `pilothouse secrets` waits for a new one to count."""


class ControlPlane:
    """All components of the control plane, connected; made in a running loop. `run()` runs them."""

    def __init__(self, state: ClusterState, places: Places) -> None:
        self.state = state
        self.places = places
        clock, entropy = SystemClock(), Entropy()
        pki = places.pki
        self.encryption = Encryption(clock, entropy, places.encryption, reloads=True, poll_seconds=RELOAD_SECONDS)
        self.storage = encrypted(SqliteStorage(places.store), self.encryption)
        settings = Settings(
            service_ranges=(state.service_range,),
            api_addresses=(state.node_address,),
            api_port=API_PORT,
            client_ca=(pki / "ca.crt").read_text(),
            front_proxy_ca=(pki / "front-proxy-ca.crt").read_text(),
        )
        keys, authentication = ServiceAccountKeys(pki / "sa.key"), Authentication(bootstrap_tokens=True)
        self.api = wire(self.storage, clock, entropy, settings, keys, state.kubernetes_version, authentication=authentication)
        self.registry = self.api.registry
        metrics = AuditMetrics()
        self.auditor = self.registry.auditor = auditor_of(audit.options(places), clock, entropy, metrics)
        collectors = () if self.auditor is None else (AuditCollector(metrics),)
        self.sockets = sockets(state)
        self.kubelet_urls: dict[str, str] = {}
        """Of simulated nodes."""
        self.server = ApiServer(
            self.registry,
            clock=clock,
            entropy=entropy,
            tls=ServerTLS(*(str(pki / name) for name in ("ca.crt", "apiserver.crt", "apiserver.key", "front-proxy-ca.crt"))),
            sockets=self.sockets,
            authenticators=self.api.authenticators,
            authorizer=self.api.authorizer,
            tokens=self.api.tokens,
            collectors=(*self.api.collectors, *collectors),
            kubelet_urls=self.kubelet_urls,
            kubelet_client=KubeletClient(
                str(pki / "apiserver-kubelet-client.crt"), str(pki / "apiserver-kubelet-client.key"), str(pki / "ca.crt")
            ),
            front_proxy=FrontProxy(str(pki / "front-proxy-client.crt"), str(pki / "front-proxy-client.key")),
        )
        self.admin = self.api.client("system:apiserver", MASTERS)
        self.clock, self.entropy = clock, entropy

    async def run(self, begin: process.Begin) -> None:
        """Run every component until cancelled, then close the store."""
        try:
            await self._run(begin)
        finally:
            await self.storage.close()

    async def _run(self, begin: process.Begin) -> None:
        await self.encryption.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.encryption.run(), name="encryption at rest")
            if self.auditor is not None:
                group.create_task(self.auditor.run(), name="audit")
            group.create_task(self.registry.run(), name="registry")
            await self.registry.start()
            group.create_task(self.server.run(), name="server")
            group.create_task(run_all(self.api.components), name="authentication")
            await self.server.started.wait()
            begin.serving()
            log.info("the API is served", extra={"addresses": self.addresses()})
            group.create_task(self.ensure_services(), name="services of the cluster")
            make = in_thread(self.controllers_and_scheduler)
            first = once(await make(), make)
            group.create_task(keep_running("controllers and scheduler", first, self.clock), name="controllers and scheduler")
            group.create_task(keep_running(*self.node(), self.clock), name="node")
            unserved = in_loop(lambda: [Unserved(self.admin, self.clock, self.entropy)])
            group.create_task(keep_running("events about what is not served", unserved, self.clock), name="unserved")
            group.create_task(KeepSupervisor(self.places, self.clock).run(), name="keeper of the supervisor")
            process.freeze_memory()
            log.info("controllers and scheduler started")

    async def ensure_services(self) -> None:
        """Make the Services that lead to the cluster itself; tried until it succeeds: a full disk must not end the API."""
        back_off = BackOff()
        while True:
            try:
                await services.ensure(self.admin, self.state)
                return
            except StatusError as error:
                log.error("the cluster's own Services cannot be written", extra={"error": str(error)})
                await self.clock.sleep(back_off.next_delay(0))

    def node(self) -> tuple[str, Make]:
        """Parts of the node in this process: NodePorts on the host's loopback, or a whole simulated node."""
        if not self.state.simulated:
            client, address = self.api.client("system:kube-proxy"), self.state.node_address
            return "NodePorts on loopback", in_loop(lambda: [LoopbackNodePorts(client, address, self.clock, self.entropy)])
        from pilothouse.testing.nodes import ServedNode

        name = self.state.node_name
        client = self.api.client(f"system:node:{name}", "system:nodes")
        return "simulated node", in_loop(
            lambda: [
                ServedNode(name, self.state.node_address, client, self.state.node_pod_range, self.clock, self.entropy, self.kubelet_urls)
            ]
        )

    def addresses(self) -> str:
        """The addresses that the API server listens on, as `host:port` separated by commas."""
        return ",".join(f"{host}:{port}" for host, port in map(socket.socket.getsockname, self.sockets))

    def controllers_and_scheduler(self) -> Sequence[Component]:
        """Controller manager and scheduler with shared informers; nothing runs yet."""
        from pilothouse.controllers.framework.settings import Settings as ControllerSettings
        from pilothouse.controllers.manager import ControllerManager
        from pilothouse.scheduler.scheduler import Scheduler

        clock, entropy = self.clock, self.entropy
        manager = self.api.client("system:kube-controller-manager")
        informers = Informers(manager, clock, entropy)
        authority = self.places.pki / "ca.crt"
        settings = ControllerSettings(
            root_ca=authority.read_text(),
            cluster_cidr=self.state.pod_range,
            service_account_private_key_file=str(self.places.pki / "sa.key"),
            cluster_signing_cert_file=str(authority),
            cluster_signing_key_file=str(authority.with_suffix(".key")),
        )
        return [
            informers,
            ControllerManager(manager, clock, entropy, settings, informers=informers, clients=self.api.controller_client),
            Scheduler(self.api.client("system:kube-scheduler"), clock, entropy, informers=informers),
            *(Reported(self.registry.store.components, name) for name in ("controller-manager", "scheduler")),
        ]


class KeepSupervisor:
    """Starts the supervisor again when it ended or a signal stopped it, while the cluster is wanted. `up` starts it first."""

    def __init__(self, places: Places, clock: Clock) -> None:
        self._places = places
        self._clock = clock
        self._started: list[processes.Process] = []

    async def run(self) -> None:
        """Look for the supervisor from time to time, until cancelled."""
        looks = 0
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            supervisor = launch.running(self._places, launch.SUPERVISOR)
            looks = looks + 1 if supervisor is not None and processes.is_stopped(supervisor) else 0
            if supervisor is not None and looks >= STOPPED_LOOKS:
                await asyncio.to_thread(processes.kill, [supervisor])
            try:
                if started := launch.start_supervisor(self._places):
                    log.warning("the supervisor did not run: started", extra={"id": started.id})
                    self._started.append(started)
            except OSError as error:
                log.error("the supervisor cannot be started", extra={"error": str(error)})
            for ended in self._started:
                processes.reap(ended)


def sockets(state: ClusterState) -> list[socket.socket]:
    """Sockets on the host's loopback, and on the node's address."""
    here = listening("127.0.0.1", state.port)
    if state.simulated:
        return [here]
    if not state.namespace:
        return [here] if state.node_address == "127.0.0.1" else [here, listening(state.node_address, API_PORT)]
    path = namespaces.network_path(state.namespace)
    return [here, namespaces.inside(path, lambda: listening(state.node_address, API_PORT))]


def listening(address: str, port: int) -> socket.socket:
    """A socket that listens on this address. OSError when it is taken."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((address, port))
    opened.listen(LISTEN_BACKLOG)
    return opened


def made(state: ClusterState, places: Places) -> ControlPlane:
    """SystemExit with what to do about it, where the store cannot be used: whoever started this process is shown the end of its log."""
    try:
        store.check(places)
        encryption.ensure(places)
        plane = ControlPlane(state, places)
        store.mark_made(places)
    except ClusterFailure as failure:
        raise SystemExit(f"{failure.problem}; {failure.remedy}") from failure
    except StoreUnusable as error:
        raise SystemExit(f"{error}; {store.remedy_of(places)}") from error
    return plane


def main() -> None:
    """Entry point of the control plane's process."""
    begin = process.begin("The control plane of a Pilothouse cluster.")
    os.umask(0o077)  # the store holds Secrets
    catalogue.resources()  # every kind is read while the starter still prepares
    state = begin.state()
    begin.wait()

    async def control_plane() -> None:
        await made(state, begin.places).run(begin)

    process.run(begin, control_plane, new_event_loop)


if __name__ == "__main__":
    main()
