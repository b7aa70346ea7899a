"""kube-proxy's metrics server on port 10249 of loopback: /metrics, /healthz, /proxyMode.

- Loopback of the node's own network: Pods with hostNetwork read it there, nobody from outside.
- A port that is taken is told in the log, and hinders nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

from pilothouse.kit.clock import Clock
from pilothouse.proxy.http_server import REQUEST_BYTES, HttpServer, Reply
from pilothouse.proxy.metrics import Metrics

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
PORT = 10249
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
METRICS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


class MetricsServer:
    """Server of /metrics, /healthz and /proxyMode. `mode` is the backend's name."""

    def __init__(self, metrics: Metrics, mode: str, clock: Clock, port: int = PORT) -> None:
        self._metrics = metrics
        self._mode = mode
        self._clock = clock
        self._port = port

    async def run(self) -> None:
        """Serve until cancelled. When the port is taken this is logged, and the proxy goes on without it."""
        try:
            server = await asyncio.start_server(HttpServer(self._clock, self._answer), ADDRESS, self._port, limit=REQUEST_BYTES)
        except OSError as error:
            log.error("the port of the proxy's metrics cannot be listened on", extra={"port": self._port, "error": str(error)})
            return
        async with server:
            await server.serve_forever()

    def _answer(self, path: str, _: int) -> Reply:
        match path:
            case "/metrics":
                return Reply(HTTPStatus.OK, self._metrics.text(), METRICS)
            case "/proxyMode":
                return Reply(HTTPStatus.OK, self._mode, TEXT)
            case "/healthz":
                return Reply(HTTPStatus.OK, "ok", TEXT)
        return Reply(HTTPStatus.NOT_FOUND)
