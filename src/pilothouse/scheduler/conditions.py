"""The condition PodScheduled of a Pod's status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kit.clock import Clock
from pilothouse.machinery.conditions import find_condition
from pilothouse.machinery.time import now_text

POD_SCHEDULED = "PodScheduled"
NOT_NOMINATED = orjson.dumps({"status": {"nominatedNodeName": None}})
"""The patch of a Pod for which no node is being cleared any more."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why a Pod has no node. `nominated` is the new nominatedNodeName; None leaves that field as it is."""

    reason: str
    message: str
    nominated: str | None = None


def patch_of(pod: Pod, outcome: Outcome, clock: Clock) -> bytes | None:
    """Strategic merge patch of the status; None when nothing would change."""
    status: dict[str, Any] = {}
    current = find_condition(pod.status.conditions, POD_SCHEDULED)
    if current is None or (current.status, current.reason, current.message) != ("False", outcome.reason, outcome.message):
        same = current is not None and current.status == "False"
        status["conditions"] = [
            {
                "type": POD_SCHEDULED,
                "status": "False",
                "observedGeneration": pod.metadata.generation or None,
                "reason": outcome.reason,
                "message": outcome.message,
                "lastProbeTime": None,
                "lastTransitionTime": current.lastTransitionTime if same and current else now_text(clock),
            }
        ]
    if outcome.nominated is not None and outcome.nominated != pod.status.nominatedNodeName:
        status["nominatedNodeName"] = outcome.nominated or None
    return orjson.dumps({"status": status}) if status else None
