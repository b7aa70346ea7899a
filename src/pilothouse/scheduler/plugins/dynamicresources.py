"""DynamicResources: a Pod with resource claims goes only where its devices are.

- Devices are not allocated here, so that no node has any for a claim, as in a cluster without a driver: such Pods wait.
- As upstream's it has a say, before preemption, of every Pod that fits nowhere: its words stand in each FailedScheduling event.
"""

from __future__ import annotations

import numpy as np

from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.diagnosis import Diagnosis
from pilothouse.scheduler.framework.interfaces import PostFilterResult, Trial, Verdict, Wake
from pilothouse.scheduler.snapshot import NodeColumns

REASON = ("cannot allocate all claims",)
NOTHING, NO_HELP = "no new claims to deallocate", "still not schedulable"
NO_STATE = "not found"
"""What upstream finds of a Pod that an earlier plugin rejected as a whole: nothing was noted of it yet, and this is an error."""


class DynamicResources:
    """Rejects every node for Pods with resource claims, since no devices are allocated here yet."""

    name = "DynamicResources"
    woken_by: tuple[Wake, ...] = ()

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """No node passes for a Pod with resource claims; None for all others."""
        if not pod.pod.spec.resourceClaims:
            return None
        return Verdict(np.zeros_like(nodes.alive), lambda _: REASON, unresolvable=True)

    def post_filter(self, pod: PodFacts, nodes: NodeColumns, diagnosis: Diagnosis, trial: Trial) -> PostFilterResult:
        """The message that upstream's plugin gives at this point; it frees nothing."""
        if diagnosis.pre_filter:
            return PostFilterResult(message=NO_STATE, final=True)
        return PostFilterResult(message=NO_HELP if pod.pod.spec.resourceClaims else NOTHING)
