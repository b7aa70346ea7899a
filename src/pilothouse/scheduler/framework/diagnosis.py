"""Why a Pod fits nowhere, and how that is told: upstream's FailedScheduling text, to the letter."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pilothouse.scheduler.snapshot import Mask

NO_NODES = "no nodes available to schedule pods"
MESSAGE_LIMIT = 1024


@dataclass(slots=True)
class Diagnosis:
    """Reasons are counted over nodes; `helpable` marks the nodes where evicting Pods might help."""

    total: int
    helpable: Mask | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    rejected_by: set[str] = field(default_factory=set)
    pre_filter: str = ""
    post_filter: str = ""

    def message(self) -> str:
        """As in `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable. preemption: ...`."""
        text = f"0/{self.total} nodes are available:"
        if self.pre_filter:
            text += f" {self.pre_filter}."
        elif self.reasons:
            text += f" {', '.join(sorted(f'{count} {reason}' for reason, count in self.reasons.items()))}."
        if self.post_filter:
            text += f" {self.post_filter}"
        return text


def truncated(message: str) -> str:
    """A message as events hold it."""
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 4] + " ..."
