"""SchedulingGates: a Pod with gates waits outside the queue until all are removed."""

from __future__ import annotations

from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Wake


class SchedulingGates:
    """Keeps Pods with `spec.schedulingGates` out of the queue."""

    name = "SchedulingGates"
    woken_by: tuple[Wake, ...] = ()  # removing a gate is an update of the Pod itself, which always asks again

    def pre_enqueue(self, pod: PodFacts) -> str:
        """Upstream's message naming the gates that are left; empty when there are none."""
        gates = [gate.name for gate in pod.pod.spec.schedulingGates]
        return f"waiting for scheduling gates: [{' '.join(gates)}]" if gates else ""
