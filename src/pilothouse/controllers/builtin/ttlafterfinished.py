"""Deletes finished Jobs after ttlSecondsAfterFinished."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.batch_v1 import Job
from pilothouse.controllers.framework.actions import Action, Delete, RequeueAfter
from pilothouse.controllers.framework.controller import DELETE, READ, Controller, Rule
from pilothouse.controllers.framework.world import World


class TTLAfterFinishedController(Controller):
    """Deletes them in the foreground, so that their Pods go with them."""

    name = "ttl-after-finished-controller"
    account = "ttl-after-finished-controller"
    reconciles = Job
    rules = (Rule("batch", ("jobs",), READ + DELETE),)

    def plan(self, job: Job, world: World) -> Iterator[Action]:
        """Delete a finished Job whose TTL has expired; else plan again when it will."""
        limit = job.spec.ttlSecondsAfterFinished
        ends = [
            condition.lastTransitionTime
            for condition in job.status.conditions
            if condition.type in ("Complete", "Failed") and condition.status == "True"
        ]
        if limit is None or not ends or job.metadata.deletionTimestamp:
            return
        left = limit - world.seconds_since(ends[0] or "")
        yield RequeueAfter(left) if left > 0 else Delete(job, propagation="Foreground")
