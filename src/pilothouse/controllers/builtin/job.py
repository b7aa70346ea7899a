"""Job: Pods that run to their end, as many as have to succeed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pilothouse.api.types.batch_v1 import Job, JobCondition
from pilothouse.api.types.core_v1 import EnvVar, EnvVarSource, ObjectFieldSelector, Pod
from pilothouse.client.events import NORMAL, WARNING
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Create, Delete, Emit, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, DELETE, READ, WRITE, Controller, Owned, Related, Rule
from pilothouse.controllers.framework.owners import claim, controller_of
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.jobs import failurepolicy, indexes
from pilothouse.controllers.jobs.tally import FINALIZER, Tally, is_active, tally, without_finalizer
from pilothouse.machinery import codec, labels, time

BURST_LIMIT = 500
BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 10.0, 600.0
"""After a Pod failed the next waits this long, doubled with each failure."""
Verdict = tuple[str, str, str]
"""(Complete or Failed, reason, message)"""


def _job_of(pod: Pod, world: World) -> Iterator[Key]:
    """Also of a Job that is gone: its Pods' finalizers have to come off."""
    up = controller_of(pod)
    if up is not None and up.kind == "Job" and FINALIZER in pod.metadata.finalizers:
        yield pod.metadata.namespace, up.name


class JobController(Controller):
    """Runs Pods until as many have succeeded as were asked for, or too many have failed.

    - Every Pod is counted once, though Pods may be deleted at any time: see controllers/jobs/tally.py.
    - Ends by backoffLimit, podFailurePolicy, activeDeadlineSeconds or completions; pauses by suspend; numbers its Pods when Indexed.
    """

    name = "job"
    reconciles = Job
    watches = (
        Owned(Pod, selector=lambda job: labels.from_label_selector(job.spec.selector)),
        Related(Pod, _job_of),
    )
    rules = (
        Rule("batch", ("jobs",), READ + WRITE),
        Rule("batch", ("jobs/status", "jobs/finalizers"), WRITE),
        Rule("", ("pods",), READ + CREATE + WRITE + DELETE),
        Rule("", ("events",), CREATE + WRITE),
    )

    def plan(self, job: Job, world: World) -> Iterator[Action]:
        if job.spec.managedBy not in ("", "kubernetes.io/job-controller"):
            return
        selector = labels.from_label_selector(job.spec.selector)
        claimed = claim(job, world.claimable(job, Pod, selector), selector)
        yield from claimed.actions
        found = tally(job, claimed.members)
        if _ended(job):
            yield from _delete(job, [pod for pod in claimed.members if is_active(pod)])
            yield UpdateStatus(_with_status(job, found, claimed.members, world))
            yield from (*found.release, *(without_finalizer(pod) for pod in claimed.members if _is_loose(pod, found)))
            return
        yield from _go_on(job, found, claimed.members, world)

    def plan_gone(self, key: Key, world: World) -> Iterator[Action]:
        namespace, name = key
        for pod in world.list(Pod, namespace):
            up = controller_of(pod)
            if up is not None and up.kind == "Job" and up.name == name and FINALIZER in pod.metadata.finalizers:
                yield without_finalizer(pod)


def _is_loose(pod: Pod, found: Tally) -> bool:
    """It will not be counted, so nothing need hold it."""
    counted = {*found.uncounted.succeeded, *found.uncounted.failed}
    released = any(getattr(one, "object", None) is pod for one in found.release)
    return FINALIZER in pod.metadata.finalizers and pod.metadata.uid not in counted and not released and not is_active(pod)


def _is_ending(pod: Pod) -> bool:
    return bool(pod.metadata.deletionTimestamp) and not pods.is_finished(pod)


def _condition(job: Job, type: str) -> JobCondition | None:
    return next((one for one in job.status.conditions if one.type == type and one.status == "True"), None)


def _ended(job: Job) -> bool:
    return _condition(job, "Complete") is not None or _condition(job, "Failed") is not None


def _go_on(job: Job, found: Tally, members: Sequence[Pod], world: World) -> Iterator[Action]:
    active = [pod for pod in members if is_active(pod)]
    job = codec.clone(job)
    if not job.status.startTime and not job.spec.suspend:
        job.status.startTime = world.now_text
    verdict = _verdict(job, found, members, world)
    if verdict is not None:
        yield from _delete(job, active)
        yield from _end(job, verdict, found, members, world)
    else:
        yield from _suspend(job, world)
        yield from _to_count(job, active, found, members, world)
        yield UpdateStatus(_with_status(job, found, members, world))
    yield from found.release
    if job.spec.activeDeadlineSeconds is not None and job.status.startTime and verdict is None and not job.spec.suspend:
        yield RequeueAfter(max(0.0, job.spec.activeDeadlineSeconds - world.seconds_since(job.status.startTime)))


def _verdict(job: Job, found: Tally, members: Sequence[Pod], world: World) -> Verdict | None:
    """How the Job has ended; None as long as it goes on."""
    decided = _condition(job, "FailureTarget")
    if decided is not None:
        return "Failed", decided.reason, decided.message
    unacceptable = failurepolicy.failing_message(job, members)
    if unacceptable:
        return "Failed", failurepolicy.REASON, unacceptable
    spec = job.spec
    limit = 6 if spec.backoffLimit is None else spec.backoffLimit
    active = any(is_active(pod) for pod in members)
    if spec.completions is None:
        if found.succeeded > 0 and not active:
            return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
    elif found.succeeded >= spec.completions:
        return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
    restarts = sum(sum(pods.most_restarts(pod)) for pod in members if is_active(pod))
    in_place = spec.template.spec.restartPolicy == "OnFailure" and restarts > 0 and restarts >= max(limit, 1)
    if spec.backoffLimitPerIndex is None and (found.failed > limit or in_place):
        return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    deadline = spec.activeDeadlineSeconds
    if deadline is not None and job.status.startTime and not spec.suspend and world.seconds_since(job.status.startTime) >= deadline:
        return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
    return None


def _end(job: Job, verdict: Verdict, found: Tally, members: Sequence[Pod], world: World) -> Iterator[Action]:
    """First say what it will come to; say that it has ended when no Pod runs and all are counted."""
    kind, reason, message = verdict
    before = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
    if _condition(job, before) is None:
        job.status.conditions.append(_made(before, reason, message, world))
    running = [pod for pod in members if is_active(pod) or _is_ending(pod)]
    if not running and not found.uncounted.succeeded and not found.uncounted.failed:
        job.status.conditions.append(_made(kind, reason, message, world))
        if kind == "Complete":
            job.status.completionTime = world.now_text
            yield Emit(job, NORMAL, "Completed", "Job completed")
        else:
            yield Emit(job, WARNING, reason, message)
    yield UpdateStatus(_with_status(job, found, members, world))


def _suspend(job: Job, world: World) -> Iterator[Action]:
    """Note (in the copy `job`) and tell of a pause, or its end."""
    known = next((one for one in job.status.conditions if one.type == "Suspended"), None)
    paused = bool(job.spec.suspend)
    if paused == (known is not None and known.status == "True"):
        return
    job.status.conditions = [one for one in job.status.conditions if one.type != "Suspended"]
    made = _made("Suspended", "JobSuspended" if paused else "JobResumed", "Job suspended" if paused else "Job resumed", world)
    made.status = "True" if paused else "False"
    job.status.conditions.append(made)
    job.status.startTime = "" if paused else world.now_text
    yield Emit(job, NORMAL, "Suspended" if paused else "Resumed", made.message)


def _to_count(job: Job, active: Sequence[Pod], found: Tally, members: Sequence[Pod], world: World) -> Iterator[Action]:
    parallelism = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.suspend:
        wanted = 0
    elif job.spec.completions is None:
        wanted = len(active) if found.succeeded else parallelism
    else:
        wanted = min(parallelism, job.spec.completions - found.succeeded)
    if len(active) > wanted:
        surplus = sorted(active, key=lambda pod: (pods.is_ready(pod), pod.metadata.creationTimestamp))[: len(active) - wanted]
        yield from (without_finalizer(pod) for pod in surplus)  # so that they do not count as failed
        yield from _delete(job, surplus)
        return
    wait = _back_off(members, found, world)
    if wait > 0 and len(active) < wanted:
        yield RequeueAfter(wait)
        return
    ending = sum(map(_is_ending, members)) if failurepolicy.replaces_only_failed(job) else 0
    missing = max(min(wanted - len(active) - ending, BURST_LIMIT), 0)
    if job.spec.completionMode == "Indexed":
        held = [pod for pod in members if is_active(pod) or (ending and _is_ending(pod))]
        taken = found.done | {index for pod in held if (index := indexes.index_of(pod)) is not None}
        free = [index for index in range(job.spec.completions or 0) if index not in taken][:missing]
        yield from (Create(_pod(job, index), owner=job, announce=pods.POD_EVENTS) for index in free)
    else:
        yield from (Create(_pod(job, None), owner=job, announce=pods.POD_EVENTS) for _ in range(missing))


def _back_off(members: Sequence[Pod], found: Tally, world: World) -> float:
    """Seconds until the next Pod may start: failures since the last success, counted from when the last one finished."""
    failures: int = world.memory.get("failures in a row", 0)
    known: tuple[int, int] = world.memory.get("tally", (0, 0))
    if found.succeeded > known[0]:
        failures = 0
    failures += max(0, found.failed - known[1])
    world.memory["tally"], world.memory["failures in a row"] = (found.succeeded, found.failed), failures
    if not failures:
        return 0.0
    since = world.seen_since("failures", found.failed)
    ends = [moment for pod in members if pod.status.phase == "Failed" and (moment := _finished_at(pod))]
    start = max(ends, default=since)
    wait = min(BACK_OFF_SECONDS * 2.0 ** min(failures - 1, 16), LONGEST_BACK_OFF_SECONDS)
    return wait - (world.now - start).total_seconds()


def _finished_at(pod: Pod) -> datetime | None:
    ends = [one.state.terminated.finishedAt for one in pod.status.containerStatuses if one.state and one.state.terminated]
    found = [time.parse(one) for one in ends if one]
    return max(found, default=None)


def _delete(job: Job, doomed: Sequence[Pod]) -> Iterator[Action]:
    yield from (Delete(pod, owner=job, announce=pods.POD_DELETE_EVENTS) for pod in doomed[:BURST_LIMIT])


def _pod(job: Job, index: int | None) -> Pod:
    pod = pods.pod_from_template(job.spec.template, job.metadata.namespace, job.metadata.name)
    pod.metadata.finalizers = [*pod.metadata.finalizers, FINALIZER]
    if index is None:
        return pod
    pod.metadata.generateName = f"{job.metadata.name}-{index}-"
    pod.metadata.annotations[indexes.ANNOTATION] = pod.metadata.labels[indexes.ANNOTATION] = str(index)
    pod.spec.hostname = f"{job.metadata.name}-{index}"
    source = EnvVarSource(fieldRef=ObjectFieldSelector(apiVersion="v1", fieldPath=f"metadata.annotations['{indexes.ANNOTATION}']"))
    for container in (*pod.spec.containers, *pod.spec.initContainers):
        if all(one.name != "JOB_COMPLETION_INDEX" for one in container.env):
            container.env.append(EnvVar(name="JOB_COMPLETION_INDEX", valueFrom=source))
    return pod


def _made(type: str, reason: str, message: str, world: World) -> JobCondition:
    now = world.now_text
    return JobCondition(type=type, status="True", reason=reason, message=message, lastProbeTime=now, lastTransitionTime=now)


def _with_status(job: Job, found: Tally, members: Sequence[Pod], world: World) -> Job:
    changed = codec.clone(job)
    status = changed.status
    active = [pod for pod in members if is_active(pod)]
    status.active, status.ready = len(active), sum(map(pods.is_ready, active))
    status.terminating = sum(map(_is_ending, members))
    status.succeeded, status.failed = found.counted_succeeded, found.counted_failed
    status.uncountedTerminatedPods = found.uncounted
    if job.spec.completionMode == "Indexed":
        status.completedIndexes = indexes.text(found.done)
    return changed
