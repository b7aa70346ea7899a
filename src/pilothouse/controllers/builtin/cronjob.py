"""CronJob: Jobs on a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from pilothouse.api.types.batch_v1 import CronJob, Job
from pilothouse.client.events import NORMAL, WARNING, reference_to
from pilothouse.controllers.framework.actions import Action, Announce, Create, Delete, Emit, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, DELETE, PATCH, READ, UPDATE, Controller, Owned, Rule
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
    account = "cronjob-controller"
    source = "cronjob-controller"
    reconciles = CronJob
    watches = (Owned(Job),)
    rules = (
        Rule("batch", ("cronjobs",), READ),
        Rule("batch", ("cronjobs/status", "cronjobs/finalizers"), UPDATE),
        Rule("batch", ("jobs",), READ + CREATE + DELETE),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, cronjob: CronJob, world: World) -> Iterator[Action]:
        """Start the Job that is due, remove finished Jobs above the history limits, write the status, and look again at the next time."""
        if cronjob.metadata.deletionTimestamp:
            return
        changed = codec.clone(cronjob)
        jobs = [job for job in world.owned(cronjob, Job) if controlled_by(job, cronjob)]
        yield from _forget_finished(cronjob, changed, jobs)
        yield from _trim(cronjob, jobs)
        if not cronjob.spec.suspend:
            yield from _start(cronjob, changed, jobs, world)
        yield UpdateStatus(changed)


def _end_of(job: Job) -> str:
    """Complete, Failed or nothing."""
    return next(
        (condition.type for condition in job.status.conditions if condition.type in ("Complete", "Failed") and condition.status == "True"),
        "",
    )


def _forget_finished(cronjob: CronJob, changed: CronJob, jobs: Sequence[Job]) -> Iterator[Action]:
    """Bring the list of active Jobs up to date, telling of those that have finished."""
    known = {reference.uid for reference in cronjob.status.active}
    present = {job.metadata.uid: job for job in jobs}
    for job in jobs:
        end = _end_of(job)
        if end == "Complete" and job.status.completionTime > changed.status.lastSuccessfulTime:
            changed.status.lastSuccessfulTime = job.status.completionTime
        if not end and SCHEDULED_AT not in job.metadata.annotations and job.metadata.uid not in known:
            told = f"Saw a job that the controller did not create or forgot: {job.metadata.name}"
            yield Emit(cronjob, WARNING, "UnexpectedJob", told)
        if end and job.metadata.uid in known:
            yield Emit(cronjob, NORMAL, "SawCompletedJob", f"Saw completed job: {job.metadata.name}, condition: {end}")
    for reference in cronjob.status.active:
        if reference.uid not in present:
            yield Emit(cronjob, NORMAL, "MissingJob", f"Active job went missing: {reference.name}")
    changed.status.active = [reference_to(job) for job in jobs if _is_active(job)]


def _is_active(job: Job) -> bool:
    """It runs, and was made by schedule: what somebody made of the template by hand holds nothing up."""
    return not _end_of(job) and SCHEDULED_AT in job.metadata.annotations


def _trim(cronjob: CronJob, jobs: Sequence[Job]) -> Iterator[Action]:
    for end, limit in (("Complete", cronjob.spec.successfulJobsHistoryLimit), ("Failed", cronjob.spec.failedJobsHistoryLimit)):
        if limit is None:
            continue
        finished = sorted((job for job in jobs if _end_of(job) == end), key=lambda job: (job.status.startTime, job.metadata.name))
        yield from (_delete(cronjob, job) for job in finished[: max(0, len(finished) - limit)])


def _delete(cronjob: CronJob, job: Job) -> Delete:
    announce = Announce("SuccessfulDelete", "Deleted job {name}", "FailedDelete", "Deleted job: {error}")
    return Delete(job, owner=cronjob, announce=announce, propagation="Background")


def _start(cronjob: CronJob, changed: CronJob, jobs: Sequence[Job], world: World) -> Iterator[Action]:
    try:
        zone = cron.zone_of(cronjob.spec.timeZone or "")
    except (ValueError, KeyError, OSError):  # zoneinfo's ways to say that it knows none of that name
        text = f'invalid timeZone: "{cronjob.spec.timeZone}": unknown time zone {cronjob.spec.timeZone}'
        yield Emit(cronjob, WARNING, "UnknownTimeZone", text)
        return
    try:
        times = cron.parse(cronjob.spec.schedule, cronjob.spec.timeZone or "")
    except ValueError as error:
        yield Emit(cronjob, WARNING, "UnparseableSchedule", f'unparseable schedule: "{cronjob.spec.schedule}" : {error}')
        return
    due, missed = _last_due(cronjob, times, world.now)
    following = times.after(world.now)
    if following is not None:
        yield RequeueAfter((following - world.now).total_seconds() + LATE_SECONDS)
    if missed > MISSED_LIMIT:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        yield Emit(cronjob, WARNING, "TooManyMissedTimes", text)
    if due is None:
        return
    deadline = cronjob.spec.startingDeadlineSeconds
    if deadline is not None and due + timedelta(seconds=deadline) < world.now:
        if world.memory.get("missed") != due:
            world.memory["missed"] = due
            yield Emit(
                cronjob, WARNING, "MissSchedule", f"Missed scheduled time to start a job: {due.strftime('%a, %d %b %Y %H:%M:%S +0000')}"
            )
        return
    made = _job(cronjob, due, zone)
    known = world.get(Job, made.metadata.namespace, made.metadata.name)
    if known is None:
        running = [job for job in jobs if _is_active(job)]
        if running and cronjob.spec.concurrencyPolicy == "Forbid":
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            yield Emit(cronjob, NORMAL, "JobAlreadyActive", text)
            return
        if cronjob.spec.concurrencyPolicy == "Replace":
            yield from (_delete(cronjob, job) for job in running)
            changed.status.active = []
        announce = Announce("SuccessfulCreate", "Created job {name}", "FailedCreate", "Error creating job: {error}")
        yield Create(made, owner=cronjob, announce=announce, if_absent=True)
    elif not controlled_by(known, cronjob):
        return  # another's Job has the name: what this time asks for is that other's affair
    # What is there already was made by a plan that could not write it down.
    changed.status.lastScheduleTime = time.text(due)


def _last_due(cronjob: CronJob, times: cron.Schedule, now: datetime) -> tuple[datetime | None, int]:
    """The newest time that has come and has no Job yet, and how many there were since the last one that had."""
    start = time.parse(cronjob.status.lastScheduleTime or cronjob.metadata.creationTimestamp)
    if cronjob.spec.startingDeadlineSeconds is not None:
        start = max(start, now - timedelta(seconds=cronjob.spec.startingDeadlineSeconds))
    due, missed = None, 0
    moment = times.after(start)
    while moment is not None and moment <= now:
        due, missed = moment, missed + 1
        if missed > MISSED_LIMIT:  # look only at the end of a long absence
            moment = times.after(max(moment, now - timedelta(days=1)))
        else:
            moment = times.after(moment)
    return due, missed


def _job(cronjob: CronJob, due: datetime, zone: tzinfo) -> Job:
    """The Job of a time, named after it in minutes, so that none is made twice; the annotation tells the time of the wall."""
    template = codec.clone(cronjob.spec.jobTemplate)
    meta = ObjectMeta(
        name=f"{cronjob.metadata.name}-{int(due.timestamp()) // 60}",
        namespace=cronjob.metadata.namespace,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations | {SCHEDULED_AT: due.astimezone(zone).isoformat().replace("+00:00", "Z")},
    )
    return Job(metadata=meta, spec=template.spec)
