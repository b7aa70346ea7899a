"""Why a Pod fits on no node, and upstream's FailedScheduling message for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pilothouse.scheduler.snapshot import Mask

NO_NODES = "no nodes available to schedule pods"
MESSAGE_LIMIT = 1024


@dataclass(slots=True)
class Diagnosis:
    """Reasons are counted over nodes; `helpable` marks the nodes where evicting Pods might help.

    Of a Pod that fits somewhere nobody asks why it does not fit elsewhere: with thousands of nodes, counting that costs most of all.
    """

    total: int
    helpable: Mask | None = None
    near: Mask | None = None
    """The nodes that pass every filter that looks at one node only."""
    rejected_by: set[str] = field(default_factory=set)
    pre_filter: str = ""
    post_filter: str = ""
    _reasons: Counter[str] = field(default_factory=Counter)
    _uncounted: list[tuple[Callable[[int], Sequence[str]], Mask]] = field(default_factory=list)

    def rejects(self, reasons: Callable[[int], Sequence[str]], rows: Mask) -> None:
        """Count the reasons of these rows later, when somebody asks, from the columns as they are now."""
        self._uncounted.append((reasons, rows))

    @property
    def reasons(self) -> Counter[str]:
        """Number of nodes by reason."""
        counts = self._reasons
        for reasons, rows in self._uncounted:
            for row in np.flatnonzero(rows).tolist():
                for reason in reasons(row):
                    counts[reason] = counts.get(reason, 0) + 1
        self._uncounted.clear()
        return counts

    def message(self) -> str:
        """FailedScheduling message, as in `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable. preemption: ...`."""
        text = f"0/{self.total} nodes are available:"
        if self.pre_filter:
            text += f" {self.pre_filter}."
        elif self.reasons:
            text += f" {', '.join(sorted(f'{count} {reason}' for reason, count in self.reasons.items()))}."
        if self.post_filter:
            text += f" {self.post_filter}"
        return text


def truncated(message: str) -> str:
    """The message cut to the length that events allow."""
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 4] + " ..."
