"""Pilothouse for tests: a whole cluster in one process.

    from pilothouse.testing import Cluster

    with Cluster(nodes=3) as cluster:
        cluster.apply(manifest)
        cluster.advance("1m")

In it: the cluster (`cluster.py`), functions as admission webhooks (`webhooks.py`), events of watches (`watching.py`), the pytest fixture
`cluster` (`pytest_plugin.py`), scenarios as text (`scenario.py`), and the suites that storage drivers, work queues and runtimes must pass
(`conformance/`, which needs pytest). Names are imported when they are first asked for: pytest loads the plugin in every project that has
this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.kubelet.runtime.containers import ExecResult
    from pilothouse.kubelet.runtime.simulated_containers import Behaviour
    from pilothouse.kubelet.runtime.simulated_logs import Line
    from pilothouse.testing.certificates import ServingCertificate
    from pilothouse.testing.cluster import Cluster
    from pilothouse.testing.watching import Events
    from pilothouse.testing.webhooks import AdmissionRequest, Refused, Webhook

__all__ = ["AdmissionRequest", "Behaviour", "Cluster", "Events", "ExecResult", "Line", "Refused", "ServingCertificate", "Webhook"]

HOMES = {
    "AdmissionRequest": "pilothouse.testing.webhooks",
    "Events": "pilothouse.testing.watching",
    "Refused": "pilothouse.testing.webhooks",
    "ServingCertificate": "pilothouse.testing.certificates",
    "Webhook": "pilothouse.testing.webhooks",
    "Behaviour": "pilothouse.kubelet.runtime.simulated",
    "Cluster": "pilothouse.testing.cluster",
    "ExecResult": "pilothouse.kubelet.runtime.port",
    "Line": "pilothouse.kubelet.runtime.simulated_logs",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(HOMES[name]), name)
