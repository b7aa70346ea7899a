"""kube-proxy's own health, on port 10256 of the node: what load balancers of Services with the policy Cluster ask.

- `/livez`: 200 while the rules are as the cache says. `/healthz`: the same, and 503 too once the node is about to go (it is being
  deleted, or the cluster autoscaler has tainted it), so that no new connection is sent there.
- A port that is taken is told in the log, and hinders nothing else.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from pilothouse.api.types.core_v1 import Node
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import Clock
from pilothouse.proxy.http_server import REQUEST_BYTES, HttpServer, Reply
from pilothouse.proxy.metrics import Metrics

log = logging.getLogger(__name__)

PORT = 10256
TAINT = "ToBeDeletedByClusterAutoscaler"


class NodeHealth:
    """Server of /livez and /healthz for load balancers. `is_healthy` says whether the rules are current."""

    def __init__(
        self,
        client: Client,
        node_name: str,
        addresses: Sequence[str],
        clock: Clock,
        is_healthy: Callable[[], bool],
        metrics: Metrics,
        port: int = PORT,
    ) -> None:
        self._nodes = Informer(client, Node, clock=clock, field_selector=f"metadata.name={node_name}")
        self._node_name = node_name
        self._addresses = list(addresses)
        self._clock = clock
        self._is_healthy = is_healthy
        self._metrics = metrics
        self._port = port
        self._updated = clock.now()

    async def run(self) -> None:
        """Serve until cancelled. When the port is taken this is logged, and the proxy goes on without it."""
        try:
            server = await asyncio.start_server(HttpServer(self._clock, self._answer), self._addresses, self._port, limit=REQUEST_BYTES)
        except OSError as error:
            log.error("the port of the proxy's health cannot be listened on", extra={"port": self._port, "error": str(error)})
            return
        async with server:
            await self._nodes.run()

    def _answer(self, path: str, _: int) -> Reply:
        reply = self._told(path)
        if reply.status != HTTPStatus.NOT_FOUND:
            self._metrics.health_answers[path.strip("/"), reply.status.value] += 1
        return reply

    def _told(self, path: str) -> Reply:
        now, healthy = self._clock.now(), self._is_healthy()
        self._updated = now if healthy else self._updated
        body: dict[str, object] = {"lastUpdated": go_text(self._updated), "currentTime": go_text(now)}
        if path == "/healthz":
            eligible = is_eligible(self._nodes.get("", self._node_name))
            return reply(healthy and eligible, {**body, "nodeEligible": eligible})
        return reply(healthy, body) if path == "/livez" else Reply(HTTPStatus.NOT_FOUND)


def is_eligible(node: Node | None) -> bool:
    """Whether new connections may come: also to a node that is not known yet."""
    return node is None or (not node.metadata.deletionTimestamp and all(taint.key != TAINT for taint in node.spec.taints))


def reply(good: bool, body: dict[str, object]) -> Reply:
    """200 with the body when good, 503 otherwise."""
    return Reply(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, json.dumps(body))


def go_text(moment: datetime) -> str:
    """A time as Go prints it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")
