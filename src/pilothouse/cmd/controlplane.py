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
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.user import MASTERS
from pilothouse.apiserver.http.context import KubeletClient
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.server import ApiServer, ServerTLS, new_event_loop
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.apiserver.storage.sqlite_schema import StoreUnusable
from pilothouse.client.informers import Informers
from pilothouse.cluster import services
from pilothouse.cluster.services import API_PORT
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.cmd import process
from pilothouse.cmd.api import wire
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.component import Component
from pilothouse.kit.entropy import Entropy
from pilothouse.node import namespaces

log = logging.getLogger(__name__)

LISTEN_BACKLOG = 4096


class ControlPlane:
    """Everything of the control plane, wired; made in a running loop. `run()` runs it."""

    def __init__(self, state: ClusterState, places: Places) -> None:
        self.state = state
        self.places = places
        clock, entropy = SystemClock(), Entropy()
        pki = places.pki
        self.storage = SqliteStorage(places.store)
        settings = Settings(service_ranges=(state.service_range,), api_addresses=(state.node_address,), api_port=API_PORT)
        self.api = wire(self.storage, clock, entropy, settings, ServiceAccountKeys(pki / "sa.key"))
        self.registry = self.api.registry
        self.sockets = sockets(state)
        self.server = ApiServer(
            self.registry,
            clock=clock,
            entropy=entropy,
            tls=ServerTLS(str(pki / "ca.crt"), str(pki / "apiserver.crt"), str(pki / "apiserver.key")),
            sockets=self.sockets,
            authenticators=self.api.authenticators,
            authorizer=self.api.authorizer,
            tokens=self.api.tokens,
            kubelet_client=KubeletClient(
                str(pki / "apiserver-kubelet-client.crt"), str(pki / "apiserver-kubelet-client.key"), str(pki / "ca.crt")
            ),
        )
        self.admin = self.api.client("system:apiserver", MASTERS)
        self.clock, self.entropy = clock, entropy

    async def run(self, begin: process.Begin) -> None:
        try:
            await self._run(begin)
        finally:
            await self.storage.close()

    async def _run(self, begin: process.Begin) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.registry.run(), name="registry")
            await self.registry.start()
            group.create_task(self.server.run(), name="server")
            await self.server.started.wait()
            begin.serving()
            log.info("the API is served", extra={"addresses": self.addresses()})
            await services.ensure(self.admin, self.state)
            for component in await asyncio.to_thread(self.deciders):
                group.create_task(component.run(), name=type(component).__name__)
            process.settle_memory()
            log.info("controllers and scheduler started")

    def addresses(self) -> str:
        return ",".join(f"{host}:{port}" for host, port in map(socket.socket.getsockname, self.sockets))

    def deciders(self) -> Sequence[Component]:
        """Who decides what is to be done, over one set of informers. Only made here: nothing runs yet."""
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
            cluster_signing_cert_file=str(authority),
            cluster_signing_key_file=str(authority.with_suffix(".key")),
        )
        return [
            informers,
            ControllerManager(manager, clock, entropy, settings, informers=informers),
            Scheduler(self.api.client("system:kube-scheduler"), clock, entropy, informers=informers),
        ]


def sockets(state: ClusterState) -> list[socket.socket]:
    """On the host's loopback, and on the node's address in the network that the node lives in."""
    here = listening("127.0.0.1", state.port)
    if not state.namespace:
        return [here] if state.node_address == "127.0.0.1" else [here, listening(state.node_address, API_PORT)]
    path = namespaces.network_path(state.namespace)
    return [here, namespaces.inside(path, lambda: listening(state.node_address, API_PORT))]


def listening(address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((address, port))
    opened.listen(LISTEN_BACKLOG)
    return opened


def made(state: ClusterState, places: Places) -> ControlPlane:
    """SystemExit with what to do about it, where the store cannot be used: whoever started this process is shown its last words."""
    try:
        return ControlPlane(state, places)
    except StoreUnusable as error:
        remedy = f"put a copy of it back, or give up what it held: pilothouse down --purge --name {state.name}"
        raise SystemExit(f"{error}; {remedy}") from error


def main() -> None:
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
