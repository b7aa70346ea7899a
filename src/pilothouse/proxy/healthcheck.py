"""`healthCheckNodePort`: tells a load balancer whether this node has endpoints of a Service of its own.

- One listener a Service that asks for it, on each of the node's addresses; 200 with at least one local endpoint while the rules are
  as the cache says, else 503: kube-proxy's own word.
- A port that is taken is told in the log and tried again with the next change of any such Service.
- At most `CONNECTIONS_LIMIT` are answered at a time, each within `PATIENCE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pilothouse.kit.clock import Clock, wait_for

log = logging.getLogger(__name__)

CONNECTIONS_LIMIT = 64
PATIENCE_SECONDS = 5.0
REQUEST_BYTES = 8192
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """The port to listen on, and how many endpoints the node has."""

    port: int
    endpoints: int


class HealthChecks:
    """See the module. `update` says what is to be; `run` makes it so."""

    def __init__(self, addresses: Sequence[str], clock: Clock, is_healthy: Callable[[], bool]) -> None:
        self._addresses = list(addresses)
        self._clock = clock
        self._is_healthy = is_healthy
        self._checks: dict[Name, Check] = {}
        self._servers: dict[int, asyncio.Server] = {}
        self._changed = asyncio.Event()
        self._open = 0

    def update(self, changes: Mapping[Name, Check | None]) -> None:
        for name, check in changes.items():
            old = self._checks.pop(name, None)
            if check is not None:
                self._checks[name] = check
            if old != check:
                self._changed.set()

    async def run(self) -> None:
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

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                if self._open <= CONNECTIONS_LIMIT:
                    await wait_for(self._clock, reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
                    writer.write(self._answer(writer.get_extra_info("sockname")[1]))
                    await wait_for(self._clock, writer.drain(), PATIENCE_SECONDS)
        finally:
            self._open -= 1
            writer.close()

    def _answer(self, port: int) -> bytes:
        name, check = next(((name, check) for name, check in self._checks.items() if check.port == port), (("", ""), Check(port, 0)))
        healthy = self._is_healthy()
        status = "200 OK" if check.endpoints and healthy else "503 Service Unavailable"
        body = json.dumps(
            {
                "service": {"namespace": name[0], "name": name[1]},
                "localEndpoints": check.endpoints,
                "serviceProxyHealthy": healthy,
            },
            indent="\t",
        )
        lines = (
            f"HTTP/1.1 {status}",
            "Content-Type: application/json",
            "X-Content-Type-Options: nosniff",
            f"X-Load-Balancing-Endpoint-Weight: {check.endpoints}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            "",
            body,
        )
        return "\r\n".join(lines).encode()
