"""What is heard of the proxy itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Node, NodeSpec, Taint
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.virtual_clock import wait_until_idle
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.proxy.metrics import Metrics
from pilothouse.proxy.nodehealth import TAINT, NodeHealth
from tests.unit.proxy.test_healthcheck import ADDRESS, free_port
from tests.unit.scheduler.fake_api import FakeApi


def node(taint: str = "", leaving: bool = False) -> Node:
    metadata = ObjectMeta(name="here", deletionTimestamp="2026-01-01T00:00:00Z" if leaving else None)
    return Node(metadata=metadata, spec=NodeSpec(taints=[Taint(key=taint, effect="NoSchedule")] if taint else []))


async def ask(path: str, found: Node | None, healthy: bool, metrics: Metrics | None = None) -> tuple[int, dict[str, Any]]:
    api, port = FakeApi(), free_port()
    if found is not None:
        api.put(found)
    health = NodeHealth(api.client, "here", [ADDRESS], SystemClock(), lambda: healthy, metrics or Metrics(), port)
    task = asyncio.create_task(health.run())
    try:
        async with asyncio.timeout(60):
            await health._nodes.synced.wait()
            await wait_until_idle()
            reader, writer = await asyncio.open_connection(ADDRESS, port)
            writer.write(f"GET {path}?verbose HTTP/1.1\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return int(head.split()[1]), json.loads(body or b"{}")


@pytest.mark.parametrize(
    ("path", "found", "healthy", "status", "eligible"),
    [
        pytest.param("/healthz", node(), True, 200, True, id="all is well"),
        pytest.param("/healthz", None, True, 200, True, id="the node is not known yet"),
        pytest.param("/healthz", node(), False, 503, True, id="the rules are behind"),
        pytest.param("/healthz", node(leaving=True), True, 503, False, id="the node is being deleted"),
        pytest.param("/healthz", node(TAINT), True, 503, False, id="the autoscaler is about to delete it"),
        pytest.param("/healthz", node("dedicated"), True, 200, True, id="any other taint"),
        pytest.param("/livez", node(leaving=True), True, 200, None, id="the proxy lives while the node goes"),
        pytest.param("/livez", node(), False, 503, None, id="the proxy is behind"),
    ],
)
async def test_what_is_told(path: str, found: Node | None, healthy: bool, status: int, eligible: bool | None) -> None:
    code, body = await ask(path, found, healthy)
    assert (code, body.get("nodeEligible")) == (status, eligible)
    assert body["currentTime"].endswith("+0000 UTC")
    assert (body["lastUpdated"] == body["currentTime"]) is healthy


async def test_answers_are_counted() -> None:
    metrics = Metrics()
    for path, healthy in (("/healthz", True), ("/healthz", True), ("/livez", False), ("/secrets", True)):
        await ask(path, node(), healthy, metrics)
    counted = [line for line in metrics.text().splitlines() if line.startswith("kubeproxy_proxy_")]
    assert counted == ['kubeproxy_proxy_healthz_total{code="200"} 2', 'kubeproxy_proxy_livez_total{code="503"} 1']


async def test_no_other_path_is_answered() -> None:
    assert await ask("/secrets", node(), True) == (404, {})


async def test_a_taken_port_ends_nothing_else() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, ADDRESS, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await NodeHealth(FakeApi().client, "here", [ADDRESS], SystemClock(), lambda: True, Metrics(), port).run()
