"""The pytest plugin: `cluster`, a whole cluster in this process, without root and without containers.

    def test_my_chart(cluster):
        cluster.apply(Path("chart.yaml").read_text())
        cluster.advance("30s")
        assert cluster.get(Deployment, "web").status.readyReplicas == 3

A test that wants other nodes, another seed or a clock that stands still marks itself: `@pytest.mark.cluster(nodes=5, clock="still")`;
the words are those of `testing.Cluster`. A module's or class's mark (`pytestmark`) holds for its tests; what a test's own mark says goes
before it. The cluster is imported only by tests that ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pilothouse.testing.cluster import Cluster


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Keep pytest from rewriting the assertions of a thousand modules: it does so for whatever package a plugin comes from, and compiles
    them all anew. The suites that others run their implementations with keep what a rewritten assertion tells."""
    marked: set[str] = getattr(early_config.pluginmanager.rewrite_hook, "_must_rewrite", set())
    marked.discard("pilothouse")
    pytest.register_assert_rewrite("pilothouse.testing.conformance")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker `cluster`."""
    config.addinivalue_line("markers", "cluster(**options): how the `cluster` fixture makes its cluster; see testing.Cluster")


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of its own for this test, with its nodes Ready; gone when the test ends."""
    from pilothouse.testing.cluster import Cluster

    options: dict[str, Any] = {}
    for marker in request.node.iter_markers("cluster"):  # the closest first
        options = {**marker.kwargs, **options}
    with Cluster(**options) as made:
        yield made
