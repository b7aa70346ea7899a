"""The work queue keeps client-go's promises."""

from __future__ import annotations

from pilothouse.client.workqueue import WorkQueue
from pilothouse.kit.clock import Clock
from pilothouse.testing.conformance.workqueue import WorkQueueConformance


class TestWorkQueue(WorkQueueConformance):
    def make(self, clock: Clock) -> WorkQueue[str]:
        return WorkQueue(clock)
