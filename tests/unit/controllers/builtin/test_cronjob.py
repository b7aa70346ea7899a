"""What a CronJob does at a time of its schedule, given the Jobs that are there already."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilothouse.api.types.batch_v1 import CronJob, Job
from pilothouse.controllers.builtin.cronjob import SCHEDULED_AT, CronJobController
from pilothouse.controllers.framework.actions import Create, Delete, Emit, UpdateStatus
from pilothouse.kit.virtual_clock import EPOCH
from pilothouse.machinery import codec, time
from pilothouse.testing.controllers import planned

NOW = EPOCH + timedelta(minutes=10, seconds=1)
DUE = "2025-01-01T00:10:00Z"
DUE_NAME = f"c-{int(EPOCH.timestamp()) // 60 + 10}"


def cron(policy: str = "Allow", **status: Any) -> CronJob:
    meta = {"name": "c", "namespace": "n", "uid": "c-uid", "creationTimestamp": time.text(EPOCH)}
    spec = {"schedule": "*/10 * * * *", "concurrencyPolicy": policy, "suspend": False}
    return codec.from_dict({"metadata": meta, "spec": spec, "status": status}, CronJob)


def job(name: str, *, by_hand: bool = False, owned: bool = True, end: str = "") -> Job:
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "uid": "c-uid", "controller": True}
    meta: dict[str, Any] = {"name": name, "namespace": "n", "uid": name, "ownerReferences": [owner] if owned else []}
    meta["annotations"] = {} if by_hand else {SCHEDULED_AT: DUE}
    conditions = [{"type": end, "status": "True"}] if end else []
    return codec.from_dict({"metadata": meta, "status": {"conditions": conditions}}, Job)


def told(actions: list[Any]) -> list[str]:
    """What is made, deleted and told, in words, and the status at last."""
    found = []
    for one in actions:
        match one:
            case Create() | Delete():
                found.append(f"{type(one).__name__.lower()} {one.object.metadata.name}")
            case Emit():
                found.append(one.reason)
            case UpdateStatus():
                found.append(one.object.status.lastScheduleTime)
    return found


@pytest.mark.parametrize(
    ("policy", "jobs", "expected"),
    [
        pytest.param("Allow", [], [f"create {DUE_NAME}", DUE], id="makes the Job of the time"),
        pytest.param("Allow", [job("x")], [f"create {DUE_NAME}", DUE], id="beside another"),
        pytest.param("Forbid", [job("x")], ["JobAlreadyActive", ""], id="not beside another"),
        pytest.param("Forbid", [job("x", end="Failed")], [f"create {DUE_NAME}", DUE], id="once that one has ended"),
        pytest.param("Forbid", [job("x", by_hand=True)], ["UnexpectedJob", f"create {DUE_NAME}", DUE], id="made by hand holds nothing up"),
        pytest.param("Replace", [job("x")], ["delete x", f"create {DUE_NAME}", DUE], id="instead of another"),
        pytest.param(
            "Replace", [job("x", by_hand=True)], ["UnexpectedJob", f"create {DUE_NAME}", DUE], id="made by hand is not replaced"
        ),
        pytest.param("Replace", [job(DUE_NAME)], [DUE], id="what was made and could not be written down stays, and is noted"),
        pytest.param("Allow", [job(DUE_NAME, owned=False)], [""], id="another's Job of that name"),
    ],
)  # fmt: skip
def test_at_a_time_of_the_schedule(policy: str, jobs: list[Job], expected: list[str]) -> None:
    assert told(planned(CronJobController(), cron(policy), *jobs, now=NOW)) == expected


def test_only_jobs_of_the_schedule_are_active() -> None:
    actions = planned(CronJobController(), cron(lastScheduleTime=DUE), job("x"), job("y", by_hand=True), job("z", end="Complete"), now=NOW)
    [status] = [one.object.status for one in actions if isinstance(one, UpdateStatus)]
    assert [(one.kind, one.name, one.uid) for one in status.active] == [("Job", "x", "x")]
