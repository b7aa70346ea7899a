"""A control plane in one process: registry over memory, API server on loopback, controllers, scheduler.

- Everything speaks in process: objects are shared, nothing is encoded but for clients from outside.
- Clock and entropy are given; the API server's sockets are the only thing that lives in the machine's own time.
- The API server listens only once somebody asks for it (`serve`): most tests never do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse import API_LEVEL
from pilothouse.apiserver.auth.user import MASTERS
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.client.client import Client
from pilothouse.cmd.api import Reported, wire
from pilothouse.controllers.framework.settings import Settings as ControllerSettings
from pilothouse.controllers.manager import ControllerManager
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.scheduler.scheduler import Scheduler
from pilothouse.testing.keys import ProcessKeys

if TYPE_CHECKING:
    from pilothouse.apiserver.server import ApiServer

POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"


class ControlPlane:
    """Control plane of a test cluster. `run` it in a task, then wait for `registry.started`."""

    def __init__(
        self, clock: Clock, entropy: Entropy, *, controllers: bool = True, scheduler: bool = True, kubernetes_version: str = API_LEVEL
    ) -> None:
        self._clock, self._entropy = clock, entropy
        self._api = wire(MemoryStorage(), clock, entropy, Settings(service_ranges=(SERVICE_RANGE,)), ProcessKeys(), kubernetes_version)
        self.registry = self._api.registry
        self.client = self.client_of("kubernetes-admin", MASTERS)
        self.kubelet_urls: dict[str, str] = {}
        """Where the simulated kubelets answer, by node: without one the server says that there is nobody to talk to."""
        self._tasks: asyncio.TaskGroup | None = None
        self._components = []
        if controllers:
            settings = ControllerSettings(cluster_cidr=POD_RANGE, root_ca="simulated")
            manager = self.client_of("system:kube-controller-manager")
            self._components.append(ControllerManager(manager, clock, entropy, settings, clients=self._api.controller_client).run)
            self._components.append(Reported(self.registry.store.components, "controller-manager").run)
        if scheduler:
            self._components.append(Reported(self.registry.store.components, "scheduler").run)
            self._components.append(Scheduler(self.client_of("system:kube-scheduler"), clock, entropy).run)

    def client_of(self, name: str, *groups: str) -> Client:
        """A client in process that speaks as this user."""
        return self._api.client(name, *groups)

    async def run(self) -> None:
        """Run every component until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            group.create_task(self.registry.run(), name="registry")
            await self.registry.start()
            for run in self._components:
                group.create_task(run())

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` beside the components; when it fails, they end."""
        assert self._tasks is not None, "the control plane does not run"
        return self._tasks.create_task(work, name=name)

    async def serve(self, folder: Path) -> Path:
        """Let clients from outside in: certificates and the kubeconfig are written to `folder`; the kubeconfig's path."""
        from pilothouse.testing.access import make_access, server_of

        access = make_access(folder)
        server: ApiServer = server_of(self._api, access, self._clock, self._entropy, self.kubelet_urls)
        self.start(server.run(), "api server")
        await server.started.wait()
        return access.write_kubeconfig(server.port)
