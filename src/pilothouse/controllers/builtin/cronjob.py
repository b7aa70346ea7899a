"""CronJob: Jobs on a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from pilothouse.api.types.batch_v1 import CronJob, Job
from pilothouse.client.events import NORMAL, WARNING, reference_to
from pilothouse.controllers.framework.actions import Action, Announce, Create, Delete, Emit, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, DELETE, READ, WRITE, Controller, Owned, Rule
from pilothouse.controllers.framework.owners import controlled_by
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec, cron, time
from pilothouse.machinery.meta_v1 import ObjectMeta

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MISSED_LIMIT = 100
"""More missed times than this are told of, and only the last is made up for."""
LATE_SECONDS = 0.1
"""How long after the time the controller looks (upstream's nextScheduleDelta)."""


class CronJobController(Controller):
    """Makes a Job at each time of the schedule.

    - A time that was missed is made up for once, unless startingDeadlineSeconds has passed.
    - While a Job still runs: Allow makes another, Forbid waits, Replace deletes it first.
    - Keeps as many finished Jobs as the history limits say.
    """

    name = "cronjob"
    source = "cronjob-controller"
    reconciles = CronJob
    watches = (Owned(Job),)
    rules = (
        Rule("batch", ("cronjobs",), READ + WRITE),
        Rule("batch", ("cronjobs/status", "cronjobs/finalizers"), WRITE),
        Rule("batch", ("jobs",), READ + CREATE + WRITE + DELETE),
        Rule("", ("events",), CREATE + WRITE),
    )

    def plan(self, one: CronJob, world: World) -> Iterator[Action]:
        """Start the Job that is due, remove finished Jobs above the history limits, write the status, and look again at the next time."""
        if one.metadata.deletionTimestamp:
            return
        changed = codec.clone(one)
        jobs = [job for job in world.owned(one, Job) if controlled_by(job, one)]
        yield from _forget_finished(one, changed, jobs)
        yield from _trim(one, jobs)
        if not one.spec.suspend:
            yield from _start(one, changed, jobs, world)
        yield UpdateStatus(changed)


def _end_of(job: Job) -> str:
    """Complete, Failed or nothing."""
    return next(
        (condition.type for condition in job.status.conditions if condition.type in ("Complete", "Failed") and condition.status == "True"),
        "",
    )


def _forget_finished(one: CronJob, changed: CronJob, jobs: Sequence[Job]) -> Iterator[Action]:
    """Bring the list of active Jobs up to date, telling of those that have finished."""
    known = {reference.uid for reference in one.status.active}
    present = {job.metadata.uid: job for job in jobs}
    for job in jobs:
        end = _end_of(job)
        if end == "Complete" and job.status.completionTime > changed.status.lastSuccessfulTime:
            changed.status.lastSuccessfulTime = job.status.completionTime
        if not end and SCHEDULED_AT not in job.metadata.annotations and job.metadata.uid not in known:
            told = f"Saw a job that the controller did not create or forgot: {job.metadata.name}"
            yield Emit(one, WARNING, "UnexpectedJob", told)
        if end and job.metadata.uid in known:
            yield Emit(one, NORMAL, "SawCompletedJob", f"Saw completed job: {job.metadata.name}, condition: {end}")
    for reference in one.status.active:
        if reference.uid not in present:
            yield Emit(one, NORMAL, "MissingJob", f"Active job went missing: {reference.name}")
    changed.status.active = [reference_to(job) for job in jobs if _is_active(job)]


def _is_active(job: Job) -> bool:
    """It runs, and was made by schedule: what somebody made of the template by hand holds nothing up."""
    return not _end_of(job) and SCHEDULED_AT in job.metadata.annotations


def _trim(one: CronJob, jobs: Sequence[Job]) -> Iterator[Action]:
    for end, limit in (("Complete", one.spec.successfulJobsHistoryLimit), ("Failed", one.spec.failedJobsHistoryLimit)):
        if limit is None:
            continue
        finished = sorted((job for job in jobs if _end_of(job) == end), key=lambda job: (job.status.startTime, job.metadata.name))
        yield from (_delete(one, job) for job in finished[: max(0, len(finished) - limit)])


def _delete(one: CronJob, job: Job) -> Delete:
    announce = Announce("SuccessfulDelete", "Deleted job {name}", "FailedDelete", "Deleted job: {error}")
    return Delete(job, owner=one, announce=announce, propagation="Background")


def _start(one: CronJob, changed: CronJob, jobs: Sequence[Job], world: World) -> Iterator[Action]:
    try:
        zone = cron.zone_of(one.spec.timeZone or "")
    except (ValueError, KeyError, OSError):  # zoneinfo's ways to say that it knows none of that name
        text = f'invalid timeZone: "{one.spec.timeZone}": unknown time zone {one.spec.timeZone}'
        yield Emit(one, WARNING, "UnknownTimeZone", text)
        return
    try:
        times = cron.parse(one.spec.schedule, one.spec.timeZone or "")
    except ValueError as error:
        yield Emit(one, WARNING, "UnparseableSchedule", f'unparseable schedule: "{one.spec.schedule}" : {error}')
        return
    due, missed = _last_due(one, times, world.now)
    following = times.after(world.now)
    if following is not None:
        yield RequeueAfter((following - world.now).total_seconds() + LATE_SECONDS)
    if missed > MISSED_LIMIT:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        yield Emit(one, WARNING, "TooManyMissedTimes", text)
    if due is None:
        return
    deadline = one.spec.startingDeadlineSeconds
    if deadline is not None and due + timedelta(seconds=deadline) < world.now:
        if world.memory.get("missed") != due:
            world.memory["missed"] = due
            yield Emit(one, WARNING, "MissSchedule", f"Missed scheduled time to start a job: {due.strftime('%a, %d %b %Y %H:%M:%S +0000')}")
        return
    made = _job(one, due, zone)
    known = world.get(Job, made.metadata.namespace, made.metadata.name)
    if known is None:
        running = [job for job in jobs if _is_active(job)]
        if running and one.spec.concurrencyPolicy == "Forbid":
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            yield Emit(one, NORMAL, "JobAlreadyActive", text)
            return
        if one.spec.concurrencyPolicy == "Replace":
            yield from (_delete(one, job) for job in running)
            changed.status.active = []
        announce = Announce("SuccessfulCreate", "Created job {name}", "FailedCreate", "Error creating job: {error}")
        yield Create(made, owner=one, announce=announce, if_absent=True)
    elif not controlled_by(known, one):
        return  # another's Job has the name: what this time asks for is that other's affair
    # What is there already was made by a plan that could not write it down.
    changed.status.lastScheduleTime = time.text(due)


def _last_due(one: CronJob, times: cron.Schedule, now: datetime) -> tuple[datetime | None, int]:
    """The newest time that has come and has no Job yet, and how many there were since the last one that had."""
    start = time.parse(one.status.lastScheduleTime or one.metadata.creationTimestamp)
    if one.spec.startingDeadlineSeconds is not None:
        start = max(start, now - timedelta(seconds=one.spec.startingDeadlineSeconds))
    due, missed = None, 0
    moment = times.after(start)
    while moment is not None and moment <= now:
        due, missed = moment, missed + 1
        if missed > MISSED_LIMIT:  # look only at the end of a long absence
            moment = times.after(max(moment, now - timedelta(days=1)))
        else:
            moment = times.after(moment)
    return due, missed


def _job(one: CronJob, due: datetime, zone: tzinfo) -> Job:
    """The Job of a time, named after it in minutes, so that none is made twice; the annotation tells the time of the wall."""
    template = codec.clone(one.spec.jobTemplate)
    meta = ObjectMeta(
        name=f"{one.metadata.name}-{int(due.timestamp()) // 60}",
        namespace=one.metadata.namespace,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations | {SCHEDULED_AT: due.astimezone(zone).isoformat().replace("+00:00", "Z")},
    )
    return Job(metadata=meta, spec=template.spec)
