"""Evicts the victims of a preemption: marks each with the DisruptionTarget condition, tells it in an event, deletes it."""

from __future__ import annotations

import orjson

from pilothouse.api.types.core_v1 import Pod
from pilothouse.client.call import STRATEGIC_MERGE_PATCH, Options
from pilothouse.client.client import Client
from pilothouse.client.events import EventRecorder
from pilothouse.kit.clock import Clock
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.time import now_text
from pilothouse.scheduler.facts import PodFacts

BY_SCHEDULER = "PreemptionByScheduler"


class Evictor:
    """Deletes the victims of a preemption. A victim that is gone already is no failure."""

    def __init__(self, client: Client, clock: Clock, events: EventRecorder, scheduler_name: str) -> None:
        self._client = client
        self._clock = clock
        self._events = events
        self._scheduler_name = scheduler_name

    async def evict(self, victim: PodFacts, preemptor: PodFacts, node: str) -> None:
        """Set DisruptionTarget on the victim, delete it and emit Preempted; nothing when it is being deleted already."""
        meta = victim.pod.metadata
        if meta.deletionTimestamp:
            return
        try:
            await self._client.patch(
                Pod, meta.name, meta.namespace, self._mark(victim.pod), patch_type=STRATEGIC_MERGE_PATCH, subresource="status"
            )
            await self._client.delete(Pod, meta.name, meta.namespace, options=Options(precondition_uid=meta.uid))
        except StatusError as error:
            if error.code not in (404, 409):
                raise
            return
        self._events.event(victim.pod, "Normal", "Preempted", f"Preempted by pod {preemptor.uid} on node {node}")

    def _mark(self, victim: Pod) -> bytes:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "observedGeneration": victim.metadata.generation or None,
            "reason": BY_SCHEDULER,
            "message": f"{self._scheduler_name}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": now_text(self._clock),
        }
        return orjson.dumps({"status": {"conditions": [condition]}})
