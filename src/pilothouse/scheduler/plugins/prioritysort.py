"""PrioritySort: higher priority first, then who has waited longer."""

from __future__ import annotations

from typing import Any

from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Wake


class PrioritySort:
    """The QueueSort plugin of the default profile."""

    name = "PrioritySort"
    woken_by: tuple[Wake, ...] = ()

    def sort_key(self, pod: PodFacts, since: float) -> tuple[Any, ...]:
        """Higher priority first, then the earlier `since`."""
        return (-pod.priority, since)
