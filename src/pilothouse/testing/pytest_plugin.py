"""The pytest plugin: `cluster`, a whole cluster in virtual time, without root and without containers.

    def test_my_chart(cluster):
        cluster.apply(Path("chart.yaml").read_text())
        cluster.advance("30s")
        assert cluster.get(Deployment, "web").status.readyReplicas == 3

A test that wants other nodes, another seed or real time marks itself: `@pytest.mark.cluster(nodes=5, seed=7)`; the words
are those of `testing.Cluster`. The cluster is imported only by tests that ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pilothouse.testing.cluster import Cluster


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster(**options): how the `cluster` fixture makes its cluster; see testing.Cluster")


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of its own for this test, with its nodes Ready; gone when the test ends."""
    from pilothouse.testing.cluster import Cluster

    marker = request.node.get_closest_marker("cluster")
    with Cluster(**(marker.kwargs if marker else {})) as made:
        yield made
