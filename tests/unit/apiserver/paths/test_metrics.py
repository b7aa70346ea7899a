"""The metrics that monitoring stacks ask for are there under upstream's names, types and labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.kit.histogram import LABELS_LIMIT, OTHER, Histograms
from tests.unit.apiserver.serving import Caller, calling_served

TABLE = [line.split("\t") for line in (Path(__file__).parent / "tables" / "metrics.tsv").read_text().splitlines()[1:]]
"""Name, type and labels, as kube-apiserver 1.37 exposes them."""
UNTYPED = "unknown"
COUNTED_WITHOUT_TOTAL = {"authentication_attempts"}
"""Counters whose names do not end as Prometheus' own rules ask: without a type here."""


async def families(call: Caller) -> dict[str, tuple[str, set[str]]]:
    """Name -> type and labels of every family with a sample."""
    text = (await call("GET", "/metrics")).body.decode()
    found: dict[str, tuple[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, labels)
    return found


async def test_names_types_and_labels_are_upstreams(folder: Path) -> None:
    async with calling_served(folder) as (served, call):
        await call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})
        await call("GET", "/api/v1/configmaps")
        served.server.api.counters.authorizations.observe(("allowed",), 0.001)
        served.server.api.counters.authentications.observe(("success",), 0.001)
        served.server.api.metrics.begin(("WATCH", "", "v1", "pods", "", "cluster"))
        seen = await families(call)
    for name, kind, labels in TABLE:
        expected = UNTYPED if name in COUNTED_WITHOUT_TOTAL else kind
        assert seen.get(name) == (expected, set(filter(None, labels.split(",")))), name


async def test_objects_are_counted_by_resource(folder: Path) -> None:
    async with calling_served(folder) as (served, call):
        await served.registry.store.list(ConfigMap)
        await call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})
        assert await sample(call, 'apiserver_resource_objects{group="",resource="configmaps"}') == 1.0


async def sample(call: Caller, name: str) -> float:
    """The value of one sample."""
    lines = (await call("GET", "/metrics")).body.decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_the_number_of_label_sets_is_bounded() -> None:
    histograms = Histograms((1.0,), ("name",))
    for number in range(LABELS_LIMIT + 10):
        histograms.observe((str(number),), 0.5)
    counts = dict(histograms.counts())
    assert len(counts) == LABELS_LIMIT + 1
    assert counts[OTHER,] == 10


@pytest.mark.parametrize(
    ("value", "buckets"), [(0.5, [1.0, 1.0, 1.0]), (1.0, [1.0, 1.0, 1.0]), (1.5, [0.0, 1.0, 1.0]), (9.0, [0.0, 0.0, 1.0])]
)
def test_a_bucket_counts_all_that_is_not_above_its_bound(value: float, buckets: list[int]) -> None:
    histograms = Histograms((1.0, 2.0), ())
    histograms.observe((), value)
    [(labels, seen, total)] = list(histograms.samples())
    assert (labels, [count for _, count in seen], total) == ((), buckets, value)
