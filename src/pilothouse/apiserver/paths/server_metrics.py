"""Metrics of caches, store, authentication and flow control, with upstream's names and labels.

Most are read off the server when somebody asks; the few that are counted cost a look-up and an addition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from pilothouse.api.apiregistration.availability import condition_of
from pilothouse.api.types.apiregistration_v1 import APIService
from pilothouse.api.types.flowcontrol_v1 import PriorityLevelConfiguration
from pilothouse.apiserver.http.context import ApiContext
from pilothouse.apiserver.paths.version import info
from pilothouse.kit.histogram import Histograms

CONCURRENCY = 600
"""Seats of all priority levels together: upstream's --max-requests-inflight and --max-mutating-requests-inflight."""
BUILD = ("build_date", "compiler", "git_commit", "git_tree_state", "git_version", "go_version", "major", "minor", "platform")


class ServerMetrics:
    """Server metrics, as a Prometheus collector."""

    def __init__(self, api: ApiContext) -> None:
        self._api = api

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        yield from self._of_logins()
        yield from self._of_flows()
        yield from self._of_caches()
        yield from self._of_store()
        yield from self._of_apiservices()
        text = "A metric with a constant '1' value labeled by build information."
        yield gauge("kubernetes_build_info", text, {build_of(self._api.registry.catalogue.level): 1}, BUILD)

    def _of_logins(self) -> Iterator[Any]:
        counters = self._api.counters
        for name, histograms in (("authentication", counters.authentications), ("authorization", counters.authorizations)):
            text = f"{name.capitalize()} duration in seconds broken out by result."
            yield histogram(f"{name}_duration_seconds", text, histograms)
            attempts = dict(histograms.counts())
            total = "authentication_attempts" if name == "authentication" else "authorization_attempts_total"
            yield counter(total, f"Counter of {name} attempts.", ("result",), attempts)

    def _of_flows(self) -> Iterator[Any]:
        yield counter(
            "apiserver_flowcontrol_dispatched_requests_total",
            "Number of requests executed by API Priority and Fairness subsystem",
            ("priority_level", "flow_schema"),
            {(level, schema): count for (schema, level), count in list(self._api.counters.dispatched.items())},
        )
        levels = self._objects(PriorityLevelConfiguration)
        shares = {level.metadata.name: level.spec.limited.nominalConcurrencyShares or 0 for level in levels if level.spec.limited}
        whole = sum(shares.values()) or 1
        seats = {(name,): -(-CONCURRENCY * share // whole) for name, share in shares.items()}
        text = "Nominal number of execution seats configured for each priority level"
        yield gauge("apiserver_flowcontrol_nominal_limit_seats", text, seats, ("priority_level",))
        flying = self._api.in_flight
        kinds = {("mutating",): flying.changing, ("readOnly",): flying.reading}
        text = "Maximal number of currently used inflight request limit of this apiserver per request kind in last second."
        yield gauge("apiserver_current_inflight_requests", text, kinds, ("request_kind",))
        text = "Maximal number of queued requests in this apiserver per request kind in last second."
        yield gauge("apiserver_current_inqueue_requests", text, dict.fromkeys(kinds, 0), ("request_kind",))

    def _of_caches(self) -> Iterator[Any]:
        caches = self._api.registry.store.caches
        loaded = {(cache.resource.group, cache.resource.plural): cache for cache in caches.loaded()}
        labels = ("group", "resource")
        objects = {key: cache.count("", "") for key, cache in loaded.items()}
        yield gauge("apiserver_resource_objects", "Number of stored objects at the time of last check split by kind.", objects, labels)
        named = {(f"{plural}.{group}" if group else plural,): count for (group, plural), count in objects.items()}
        yield gauge("apiserver_storage_objects", "Number of stored objects at the time of last check split by kind.", named, ("resource",))
        revisions = {key: caches.revision_of(cache) for key, cache in loaded.items()}
        text = "Current resource version of watch cache broken by resource type."
        yield gauge("apiserver_watch_cache_resource_version", text, revisions, labels)
        received = {key: cache.received for key, cache in loaded.items()}
        text = "Counter of events received in watch cache broken by resource type."
        yield counter("apiserver_watch_cache_events_received_total", text, labels, received)
        yield counter("apiserver_storage_events_received_total", "Number of etcd events received split by kind.", labels, received)

    def _of_store(self) -> Iterator[Any]:
        writes = self._api.registry.store.store_seconds
        yield histogram("etcd_request_duration_seconds", "Etcd request latency in seconds for each operation and object type.", writes)
        text = "Etcd request counts for each operation and object type."
        yield counter("etcd_requests_total", text, writes.labels, dict(writes.counts()))

    def _of_apiservices(self) -> Iterator[Any]:
        unavailable = {}
        for apiservice in self._objects(APIService):
            condition = condition_of(apiservice)
            unavailable[apiservice.metadata.name,] = 0 if condition is not None and condition.status == "True" else 1
        text = "Gauge of APIServices which are marked as unavailable broken down by APIService name."
        yield gauge("aggregator_unavailable_apiservice", text, unavailable, ("name",))

    def _objects(self, kind: type[Any]) -> Iterable[Any]:
        store = self._api.registry.store
        resource = store.catalogue.by_kind(*kind.GVK)
        return () if resource is None else store.caches.peek(resource).objects()


def build_of(level: str) -> tuple[str, ...]:
    """The labels of kubernetes_build_info."""
    version = msgspec.structs.asdict(info(level))
    named = {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name): value for name, value in version.items()}
    return tuple(str(named.get(label, "")) for label in BUILD)


def gauge(name: str, text: str, values: Mapping[Any, float], labels: tuple[str, ...]) -> Any:
    """A gauge by its labels."""
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, text, labels=labels)
    for each, value in values.items():
        family.add_metric(each, value)
    return family


def counter(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Any:
    """A counter by its labels; one whose name does not end as counters' do is untyped."""
    from prometheus_client.core import CounterMetricFamily, UntypedMetricFamily

    family = CounterMetricFamily(name, text, labels=labels) if name.endswith("_total") else UntypedMetricFamily(name, text, labels=labels)
    for each, value in values.items():
        family.add_metric(each, value)
    return family


def histogram(name: str, text: str, histograms: Histograms) -> Any:
    """A histogram by its labels."""
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, text, labels=histograms.labels)
    for labels, buckets, total in histograms.samples():
        family.add_metric(labels, buckets, total)
    return family
