"""DefaultPreemption: evicts Pods of lower priority for a Pod that fits on no node."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pilothouse.api.types.core_v1 import Pod
from pilothouse.api.types.policy_v1 import PodDisruptionBudget
from pilothouse.machinery.conditions import find_condition
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.diagnosis import Diagnosis
from pilothouse.scheduler.framework.interfaces import PostFilterResult, Wake
from pilothouse.scheduler.preemption import Trial, preempt
from pilothouse.scheduler.snapshot import Mask, NodeColumns

NEVER = "not eligible due to preemptionPolicy=Never."
TERMINATING = "not eligible due to a terminating pod on the nominated node."


class DefaultPreemption:
    """The PostFilter plugin of the default profile. `budgets` gives the PodDisruptionBudgets of the cluster."""

    name = "DefaultPreemption"
    woken_by: tuple[Wake, ...] = ()

    def __init__(self, budgets: Callable[[], Sequence[PodDisruptionBudget]]) -> None:
        self._budgets = budgets

    def post_filter(self, pod: PodFacts, nodes: NodeColumns, diagnosis: Diagnosis, trial: Trial) -> PostFilterResult:
        """Choose a node and victims whose eviction makes room for the Pod; the result says why when there are none."""
        helpable = diagnosis.helpable if diagnosis.helpable is not None else nodes.alive & False
        why_not = self._why_not_eligible(pod, nodes, helpable)
        if why_not:
            return PostFilterResult(message=f"preemption: {why_not}")
        candidate, failure = preempt(pod, nodes, helpable, self._budgets(), trial)
        if candidate is None:
            return PostFilterResult(nominated="", message=f"preemption: {failure.message()}")
        return PostFilterResult(nominated=candidate.node, victims=candidate.victims)

    def _why_not_eligible(self, pod: PodFacts, nodes: NodeColumns, helpable: Mask) -> str:
        """Who has victims already waits for them to go, unless the node that they leave would not do any more."""
        if pod.pod.spec.preemptionPolicy == "Never":
            return NEVER
        nominated = next((name for name, waiting in nodes.nominated.items() if pod.uid in waiting), "")
        row = nodes.rows.get(nominated or pod.pod.status.nominatedNodeName)
        if row is not None and helpable[row]:
            for other in nodes.pods[row].values():
                if other.priority < pod.priority and is_victim(other.pod):
                    return TERMINATING
        return ""


def is_victim(pod: Pod) -> bool:
    """Whether a terminating Pod was evicted by a scheduler, so that its room is expected soon."""
    told = find_condition(pod.status.conditions, "DisruptionTarget")
    return bool(pod.metadata.deletionTimestamp) and told is not None and (told.status, told.reason) == ("True", "PreemptionByScheduler")
