"""Whole clusters under random steps and faults, one history a seed (`--seeds N`)."""

from __future__ import annotations

from pilothouse.testing.cluster import Cluster
from tests.simulation.story import NODES, STEPS, Story
from tests.simulation.workloads import NODES as WORKLOAD_NODES
from tests.simulation.workloads import Workloads


def told(seed: int, length: int = STEPS) -> Story:
    with Cluster(nodes=NODES, seed=seed, clock="still") as cluster:
        story = Story(cluster, seed, length)
        story.tell()
        story.ended = story.history()
        return story


def test_the_cluster_keeps_its_promises_and_converges(seed: int) -> None:
    told(seed)


def test_the_same_seed_tells_the_same_story() -> None:
    first, second = told(1000, 8), told(1000, 8)
    assert first.steps == second.steps
    assert first.ended == second.ended


def test_sets_and_jobs_keep_their_promises_on_nodes_that_come_and_go(seed: int) -> None:
    with Cluster(nodes=WORKLOAD_NODES, seed=seed, clock="still") as cluster:
        Workloads(cluster, seed).tell()
