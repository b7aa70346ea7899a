"""Watch events of a cluster as a test takes them."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core_v1 import ConfigMap, Event, Pod
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing import Behaviour, Cluster

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {restartPolicy: Never, containers: [{name: app, image: "web:1"}]}
"""


def config_map(name: str, **labels: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", labels=labels))


@pytest.mark.parametrize("clock", ["still", "running", "real"])
def test_events_are_taken_as_they_come(clock: str) -> None:
    with Cluster(nodes=0, clock=clock) as cluster:
        cluster.create(config_map("before"))
        with cluster.watch_events(ConfigMap, "default") as events:
            cluster.create(config_map("a"))
            cluster.delete(ConfigMap, "a")
            deleted = events.until(lambda event: event.type == "DELETED")
            assert deleted.object.metadata.name == "a"
            assert events.take() == []
            cluster.create(config_map("b"))
            assert [event.object.metadata.name for event in (events.until(lambda event: True),)] == ["b"]


@pytest.mark.cluster(clock="still")
def test_until_moves_a_time_that_stands_still(cluster: Cluster) -> None:
    cluster.behave("web:1", Behaviour(run_seconds=90))
    with cluster.watch_events(Pod, selector="app=web") as events:
        cluster.apply(POD)
        before = cluster.clock.monotonic()
        done = events.until(lambda event: event.object.status.phase == "Succeeded", within="5m")
        assert done.object.metadata.name == "web"
        assert 90 <= cluster.clock.monotonic() - before < 95


@pytest.mark.cluster(clock="still")
def test_what_does_not_come_is_told_with_what_came(cluster: Cluster) -> None:
    with cluster.watch_events(ConfigMap, "default", "app=web") as events:
        cluster.create(config_map("a", app="web"))
        cluster.create(config_map("b", app="other"))
        with pytest.raises(TimeoutError, match=r"no such event within 10s; there were: ADDED a$"):
            events.until(lambda event: event.type == "DELETED", within="10s")
        with pytest.raises(TimeoutError, match="there were: none"):
            events.until(lambda event: True, within=1)


@pytest.mark.cluster(clock="still", nodes=0)
def test_a_watch_goes_on_for_days(cluster: Cluster) -> None:
    with cluster.watch_events(ConfigMap, "default") as events:
        for day in range(3):
            cluster.create(config_map(f"day-{day}"))
            cluster.advance("24h")
        assert [event.object.metadata.name for event in events.take()] == ["day-0", "day-1", "day-2"]


@pytest.mark.cluster(clock="still", nodes=0)
def test_too_many_events_are_told(cluster: Cluster) -> None:
    with cluster.watch_events(ConfigMap, "default", limit=2) as events:
        for name in "abc":
            cluster.create(config_map(name))
        with pytest.raises(OverflowError, match="more than 2 events of ConfigMap wait to be taken"):
            events.take()


@pytest.mark.cluster(clock="still")
def test_events_of_the_cluster_are_a_kind_like_others(cluster: Cluster) -> None:
    with cluster.watch_events(Event, "default") as events:
        cluster.apply(POD)
        assert events.until(lambda event: event.object.reason == "Started").object.involvedObject.name == "web"
        assert [event.object.reason for event in events] == []
