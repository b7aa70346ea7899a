"""Extensions: the APIServices that lead to a Service, by group and version, as they are now.

- It follows the watch cache; who asks gets what was last said.
- Without any it costs a look into an empty table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pilothouse.api.types.apiregistration_v1 import APIService
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import Clock
from pilothouse.machinery.conditions import is_condition_true

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Extension:
    """Extension API server of a group and version: a port of a Service. `is_available` is the condition Available."""

    group: str
    version: str
    namespace: str
    service: str
    port: int
    ca_bundle: str = ""
    insecure: bool = False
    group_priority: int = 0
    version_priority: int = 0
    is_available: bool = False

    @property
    def server_name(self) -> str:
        """The name that its certificate must bear."""
        return f"{self.service}.{self.namespace}.svc"

    @property
    def path(self) -> str:
        """Path of its resources."""
        return f"/apis/{self.group}/{self.version}"


def extension_of(apiservice: APIService) -> Extension | None:
    """The extension API server of an APIService; None for a local one."""
    spec = apiservice.spec
    if spec.service is None:
        return None
    return Extension(
        spec.group,
        spec.version,
        spec.service.namespace,
        spec.service.name,
        spec.service.port or HTTPS_PORT,
        spec.caBundle,
        bool(spec.insecureSkipTLSVerify),
        spec.groupPriorityMinimum,
        spec.versionPriority,
        is_condition_true(apiservice.status.conditions, "Available"),
    )


class Extensions:
    """The APIServices that name a Service, by group and version."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._by_version: dict[tuple[str, str], Extension] = {}
        self._subscribers: list[Callable[[], None]] = []
        self._apiservices = Informer(client, APIService, clock=clock)
        self._apiservices.subscribe(self._note)

    def of(self, group: str, version: str) -> Extension | None:
        """Extension API server of a group and version, or None."""
        return self._by_version.get((group, version)) if self._by_version else None

    def all(self) -> Mapping[tuple[str, str], Extension]:
        """Every extension by group and version."""
        return self._by_version

    @property
    def synced(self) -> asyncio.Event:
        """Set when the APIServices of the store are known."""
        return self._apiservices.synced

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call back after every change."""
        self._subscribers.append(callback)

    async def run(self) -> None:
        """Follow the APIServices until cancelled."""
        await self._apiservices.run()

    def _note(self, _: str, old: APIService | None, new: APIService | None) -> None:
        known = new or old
        assert known is not None
        key = (known.spec.group, known.spec.version)
        extension = extension_of(new) if new is not None else None
        if extension == self._by_version.get(key):
            return
        if extension is None:
            del self._by_version[key]
        else:
            self._by_version[key] = extension
        for subscriber in self._subscribers:
            subscriber()
