"""What the proxy tells those who look after it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pilothouse.api import wellknown
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.virtual_clock import wait_until_idle
from pilothouse.machinery import time as times
from pilothouse.proxy.metrics import Histogram, Metrics
from pilothouse.proxy.metrics_server import ADDRESS, MetricsServer
from tests.unit.proxy.test_healthcheck import free_port
from tests.unit.proxy.test_planner import READY, service
from tests.unit.proxy.test_proxy import World, labelled


def values(text: str) -> dict[str, float]:
    """Every sample by its name, and bound where it has one."""
    return {
        sample.name.removeprefix("kubeproxy_") + sample.labels.get("le", ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def ask(path: str) -> tuple[int, str, str]:
    """Status, content type and body."""
    port = free_port()
    task = asyncio.create_task(MetricsServer(Metrics(), "nftables", SystemClock(), port).run())
    try:
        await wait_until_idle()
        reader, writer = await asyncio.open_connection(ADDRESS, port)
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    kind = next(line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("Content-Type"))
    return int(head.split()[1]), kind, body


@pytest.mark.parametrize(
    ("path", "status", "kind", "body"),
    [
        pytest.param("/proxyMode", 200, "text/plain; charset=utf-8", "nftables", id="the mode"),
        pytest.param("/healthz", 200, "text/plain; charset=utf-8", "ok", id="health"),
        pytest.param("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", Metrics().text(), id="metrics"),
        pytest.param("/secrets", 404, "application/json", "", id="anything else"),
    ],
)
async def test_what_is_told(path: str, status: int, kind: str, body: str) -> None:
    assert await ask(path) == (status, kind, body)


def test_a_histogram_counts_what_is_not_above_its_bounds() -> None:
    histogram = Histogram((0.5, 1, 60))
    for value in (0.5, 0.7, 99.0):
        histogram.observe(value)
    assert [line.rpartition(" ")[2] for line in histogram.lines("a")] == ["1", "2", "2", "3", "100.2", "3"]
    assert [*histogram.lines("a")][2] == 'a_bucket{ip_family="IPv4",le="60"} 2'


async def test_changes_and_what_they_took_are_counted() -> None:
    world = World()
    async with world.running():
        await world.clock.advance(5)
        changed = times.text(world.clock.now() - timedelta(seconds=2))
        endpoints = labelled(("1.1.1.1", READY, ""))
        endpoints.metadata.annotations = {wellknown.LAST_CHANGE_TRIGGER_TIME: changed}  # type: ignore[attr-defined]
        await world.put(service(), endpoints)
        found = values(world.proxy.metrics.text())
        assert (found["sync_proxy_rules_service_changes_total"], found["sync_proxy_rules_endpoint_changes_total"]) == (1, 1)
        assert (found["network_programming_duration_seconds_count"], found["network_programming_duration_seconds_bucket2"]) == (1, 1)
        assert found["sync_proxy_rules_last_timestamp_seconds"] == world.clock.now().timestamp()

        world.backend.refusals = 1
        await world.put(service(clusterIP="10.0.0.9"))
        found = values(world.proxy.metrics.text())
        assert (found["sync_proxy_rules_nftables_sync_failures_total"], found["sync_proxy_rules_service_changes_pending"]) == (1, 1)
