"""Whole clusters under random steps and faults, one history a seed (`--seeds N`)."""

from __future__ import annotations

from pilothouse.testing.cluster import Cluster
from tests.simulation.story import NODES, STEPS, Story


def told(seed: int, length: int = STEPS) -> Story:
    with Cluster(nodes=NODES, seed=seed) as cluster:
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
