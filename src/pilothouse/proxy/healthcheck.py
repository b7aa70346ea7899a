"""healthCheckNodePort server: whether this node has local endpoints of a Service.

- One listener a Service that asks for it, on each of the node's addresses; 200 with at least one local endpoint while the rules are
  as the cache says, else 503: kube-proxy's own word.
- A port that is taken is told in the log and tried again with the next change of any such Service.
- What answers, and its limits: answering.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from pilothouse.kit.clock import Clock
from pilothouse.proxy.http_server import REQUEST_BYTES, HttpServer, Reply

log = logging.getLogger(__name__)

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """The port to listen on, and how many endpoints the node has."""

    port: int
    endpoints: int


class HealthChecks:
    """Listeners of `healthCheckNodePort`. `update` sets the wanted ports; `run` opens and closes listeners."""

    def __init__(self, addresses: Sequence[str], clock: Clock, is_healthy: Callable[[], bool]) -> None:
        self._addresses = list(addresses)
        self._serve = HttpServer(clock, self._answer)
        self._is_healthy = is_healthy
        self._checks: dict[Name, Check] = {}
        self._servers: dict[int, asyncio.Server] = {}
        self._changed = asyncio.Event()

    def update(self, changes: Mapping[Name, Check | None]) -> None:
        """Change what is to listen; None removes the check of a Service."""
        for name, check in changes.items():
            old = self._checks.pop(name, None)
            if check is not None:
                self._checks[name] = check
            if old != check:
                self._changed.set()

    async def run(self) -> None:
        """Open and close listeners as `update` asks for, until cancelled."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._listen()
        finally:
            for server in self._servers.values():
                server.close()

    async def _listen(self) -> None:
        wanted = {check.port for check in self._checks.values()}
        for port in [port for port in self._servers if port not in wanted]:
            self._servers.pop(port).close()
        for port in sorted(wanted - self._servers.keys()):
            try:
                self._servers[port] = await asyncio.start_server(self._serve, self._addresses, port, limit=REQUEST_BYTES)
            except OSError as error:
                log.error("health check port cannot be listened on", extra={"port": port, "error": str(error)})

    def _answer(self, _: str, port: int) -> Reply:
        name, check = next(((name, check) for name, check in self._checks.items() if check.port == port), (("", ""), Check(port, 0)))
        healthy = self._is_healthy()
        told = {
            "service": {"namespace": name[0], "name": name[1]},
            "localEndpoints": check.endpoints,
            "serviceProxyHealthy": healthy,
        }
        return Reply(
            HTTPStatus.OK if check.endpoints and healthy else HTTPStatus.SERVICE_UNAVAILABLE,
            json.dumps(told, indent="\t"),
            {"X-Load-Balancing-Endpoint-Weight": str(check.endpoints)},
        )
