"""Job: Pods that run to their end, as many as have to succeed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pilothouse.api.batch.job import NAME_LABEL
from pilothouse.api.types.batch_v1 import Job, JobCondition
from pilothouse.api.types.core_v1 import EnvVar, EnvVarSource, ObjectFieldSelector, Pod
from pilothouse.client.events import NORMAL, WARNING
from pilothouse.client.store import Key
from pilothouse.controllers import pods
from pilothouse.controllers.framework.actions import Action, Create, Delete, Emit, RequeueAfter, UpdateStatus
from pilothouse.controllers.framework.controller import CREATE, DELETE, GET, PATCH, READ, UPDATE, Controller, Owned, Related, Rule
from pilothouse.controllers.framework.owners import claim, controller_of
from pilothouse.controllers.framework.world import World
from pilothouse.controllers.jobs import failurepolicy, indexes, perindex
from pilothouse.controllers.jobs.backoff import finished_at, seconds_left
from pilothouse.controllers.jobs.tally import FINALIZER, RemainingPods, Tally, tally, without_finalizer
from pilothouse.controllers.jobs.verdict import ANNOUNCED_BY, COMPLETE, FAILED, Verdict, condition, verdict
from pilothouse.controllers.ranking import cheapest_first
from pilothouse.machinery import codec, labels
from pilothouse.machinery.conditions import find_condition

BURST_LIMIT = 500
LONGEST_GENERATED_NAME = 58
"""Of a generateName: the server adds five characters to it, and a name has at most 63."""


def _job_of(pod: Pod, world: World) -> Iterator[Key]:
    """Also of a Job that is gone, or has let its Pod go: their finalizers have to come off."""
    if FINALIZER in pod.metadata.finalizers:
        up = controller_of(pod)
        if up is None:
            yield pod.metadata.namespace, pod.metadata.labels.get(NAME_LABEL, "")
        elif up.kind == "Job":
            yield pod.metadata.namespace, up.name


class JobController(Controller):
    """Runs Pods until as many have succeeded as were asked for, or too many have failed.

    - Every Pod is counted once, though Pods may be deleted at any time: see controllers/jobs/tally.py.
    - How it ends and why: controllers/jobs/verdict.py. Indexes that fail each for themselves: controllers/jobs/perindex.py.
    - After a failure waits before the next Pod; pauses by suspend.
    """

    name = "job"
    account = "job-controller"
    reconciles = Job
    watches = (
        Owned(Pod, selector=lambda job: labels.from_label_selector(job.spec.selector)),
        Related(Pod, _job_of),
    )
    rules = (
        Rule("batch", ("jobs",), READ + GET),
        Rule("batch", ("jobs/status", "jobs/finalizers"), UPDATE),
        Rule("", ("pods",), READ + CREATE + PATCH + DELETE),
        Rule("", ("events",), CREATE + PATCH),
    )

    def plan(self, job: Job, world: World) -> Iterator[Action]:
        """Create and delete the Job's Pods, count those that ended, and write the status; a finished Job only loses its active Pods."""
        if job.spec.managedBy and job.spec.managedBy != "kubernetes.io/job-controller":
            return
        if condition(job, COMPLETE) is not None or condition(job, FAILED) is not None:
            yield from _tidy_up(job, world.owned(job, Pod))
            return
        selector = labels.from_label_selector(job.spec.selector)
        claimed = claim(job, world.claimable(job, Pod, selector), selector, finalizers=(FINALIZER,))
        yield from claimed.actions
        yield from _go_on(job, claimed.members, world)

    def plan_gone(self, key: Key, world: World) -> Iterator[Action]:
        """Take the tracking finalizer off Pods of a Job that is gone, so that they can be deleted."""
        namespace, name = key
        selectors = [labels.from_label_selector(job.spec.selector) for job in world.list(Job, namespace)]
        for pod in world.list(Pod, namespace):
            up = controller_of(pod)
            left = up.kind == "Job" and up.name == name if up else not any(selector.matches(pod.metadata.labels) for selector in selectors)
            if left and FINALIZER in pod.metadata.finalizers:
                yield without_finalizer(pod)


def _tidy_up(job: Job, members: Sequence[Pod]) -> Iterator[Action]:
    """After its end."""
    yield from _delete(job, [pod for pod in members if pods.is_active(pod)])
    yield from (without_finalizer(pod) for pod in members if FINALIZER in pod.metadata.finalizers)
    yield UpdateStatus(_with_present(job, members))


def _is_ending(pod: Pod) -> bool:
    return bool(pod.metadata.deletionTimestamp) and not pods.is_finished(pod)


def _go_on(job: Job, members: Sequence[Pod], world: World) -> Iterator[Action]:
    job = codec.clone(job)
    dying = bool(job.metadata.deletionTimestamp)
    if not job.status.startTime and not job.spec.suspend:
        job.status.startTime = world.now_text
    counts = tally(job, members, RemainingPods.UNCOUNTED if dying else RemainingPods.RUN)
    end = verdict(job, counts, members, world)
    if end is not None:
        counts = tally(job, members, RemainingPods.UNCOUNTED if dying or end.kind == COMPLETE else RemainingPods.FAILED)
        # Before they are deleted: that changes them, and one that ends by it would count as failed.
        yield from (action for action in counts.release if pods.is_active(action.object))
        yield from _delete(job, [pod for pod in members if pods.is_active(pod)])
        yield from _end(job, end, counts, members, world)
        yield from (action for action in counts.release if not pods.is_active(action.object))
    else:
        if not dying:
            yield from _suspend(job, world)
            yield from _to_count(job, counts, members, world)
        yield UpdateStatus(_with_status(job, counts, members))
        yield from counts.release
    if job.spec.activeDeadlineSeconds is not None and job.status.startTime and end is None and not job.spec.suspend:
        yield RequeueAfter(max(0.0, job.spec.activeDeadlineSeconds - world.seconds_since(job.status.startTime)))


def _end(job: Job, end: Verdict, tally: Tally, members: Sequence[Pod], world: World) -> Iterator[Action]:
    """First say what it will come to; say that it has ended when no Pod runs and all are counted."""
    kind, reason, message = end
    if condition(job, ANNOUNCED_BY[kind]) is None:
        job.status.conditions.append(_made(ANNOUNCED_BY[kind], reason, message, world))
    running = [pod for pod in members if pods.is_active(pod) or _is_ending(pod)]
    if not running and not tally.uncounted.succeeded and not tally.uncounted.failed:
        job.status.conditions.append(_made(kind, reason, message, world))
        if kind == COMPLETE:
            job.status.completionTime = world.now_text
            if job.spec.completions is not None and tally.succeeded > job.spec.completions:
                text = "Too many succeeded pods running after completion count reached"
                yield Emit(job, WARNING, "TooManySucceededPods", text)
            yield Emit(job, NORMAL, "Completed", "Job completed")
        else:
            yield Emit(job, WARNING, reason, message)
    yield UpdateStatus(_with_status(job, tally, members))


def _suspend(job: Job, world: World) -> Iterator[Action]:
    """Note (in the copy `job`) and tell of a pause, or its end."""
    known = find_condition(job.status.conditions, "Suspended")
    paused = bool(job.spec.suspend)
    if paused == (known is not None and known.status == "True"):
        return
    job.status.conditions = [condition for condition in job.status.conditions if condition.type != "Suspended"]
    made = _made("Suspended", "JobSuspended" if paused else "JobResumed", "Job suspended" if paused else "Job resumed", world)
    made.status = "True" if paused else "False"
    job.status.conditions.append(made)
    job.status.startTime = "" if paused else world.now_text  # so that activeDeadlineSeconds counts from here
    yield Emit(job, NORMAL, "Suspended" if paused else "Resumed", made.message)


def _to_count(job: Job, tally: Tally, members: Sequence[Pod], world: World) -> Iterator[Action]:
    active = [pod for pod in members if pods.is_active(pod)]
    wanted = _wanted(job, active, tally)
    surplus = _surplus(job, active, len(active) - wanted, world)
    if surplus:
        yield from (without_finalizer(pod) for pod in surplus)  # so that they do not count as failed
        yield from _delete(job, surplus)
        return
    ending = [pod for pod in members if _is_ending(pod)] if failurepolicy.replaces_only_failed(job) else []
    missing = min(wanted - len(active) - len(ending), BURST_LIMIT)
    if missing <= 0:
        return
    wait = 0.0 if perindex.applies(job) else _back_off(members, tally, world)
    if wait > 0:
        yield RequeueAfter(wait)
        return
    if job.spec.completionMode == "Indexed":
        yield from _create_indexed(job, [*active, *ending], tally, missing, world)
    else:
        yield from (Create(_pod(job), owner=job, announce=pods.POD_EVENTS) for _ in range(missing))


def _wanted(job: Job, active: Sequence[Pod], tally: Tally) -> int:
    """How many Pods should run."""
    parallelism = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.suspend:
        return 0
    if job.spec.completions is None:
        return len(active) if tally.succeeded else parallelism
    return max(0, min(parallelism, job.spec.completions - tally.succeeded))


def _surplus(job: Job, active: Sequence[Pod], count: int, world: World) -> Sequence[Pod]:
    """The Pods to remove: of an Indexed Job those first that have no index or share one."""
    ranked = cheapest_first(active, (), world.now)
    odd: list[Pod] = []
    if job.spec.completionMode == "Indexed" and not job.spec.suspend:
        taken: set[int] = set()
        for pod in reversed(ranked):
            index = indexes.index_of(pod)
            if index is None or index in taken or index >= (job.spec.completions or 0):
                odd.append(pod)
            else:
                taken.add(index)
    others = [pod for pod in ranked if pod not in odd]
    return [*odd, *others[: max(0, count - len(odd))]][:BURST_LIMIT]


def _create_indexed(job: Job, held: Sequence[Pod], tally: Tally, missing: int, world: World) -> Iterator[Action]:
    """The lowest free indexes get a Pod; those that failed lately wait by themselves when failures are counted by index."""
    taken = tally.done | tally.given_up | {index for pod in held if (index := indexes.index_of(pod)) is not None}
    free = (index for index in range(job.spec.completions or 0) if index not in taken)
    waits: list[float] = []
    for index in free:
        before = tally.to_replace.get(index)
        wait = perindex.wait(before, world.now) if before is not None else 0.0
        if wait > 0:
            waits.append(wait)
        elif missing > 0:
            missing -= 1
            yield Create(_indexed_pod(job, index, perindex.annotations_of_next(job, before)), owner=job, announce=pods.POD_EVENTS)
        else:
            break
    yield from (RequeueAfter(wait) for wait in waits)


def _back_off(members: Sequence[Pod], tally: Tally, world: World) -> float:
    """Seconds until the next Pod may start: failures since the last success, counted from when the last one finished."""
    failures: int = world.memory.get("failures in a row", 0)
    known: tuple[int, int] = world.memory.get("tally", (0, 0))
    if tally.succeeded > known[0]:
        failures = 0
    failures += max(0, tally.failed - known[1])
    world.memory["tally"], world.memory["failures in a row"] = (tally.succeeded, tally.failed), failures
    since = world.now - (world.steady - world.seen_since("failures", tally.failed))
    return seconds_left(failures, max((finished_at(pod) for pod in members if pod.status.phase == "Failed"), default=since), world.now)


def _delete(job: Job, doomed: Sequence[Pod]) -> Iterator[Action]:
    yield from (Delete(pod, owner=job, announce=pods.POD_DELETE_EVENTS) for pod in doomed[:BURST_LIMIT])


def _pod(job: Job) -> Pod:
    pod = pods.pod_from_template(job.spec.template, job.metadata.namespace, job.metadata.name)
    pod.metadata.finalizers = [*pod.metadata.finalizers, FINALIZER]
    return pod


def _indexed_pod(job: Job, index: int, annotations: Mapping[str, str]) -> Pod:
    """A Pod that knows its index: by label and annotation, by its name and host name, and by an environment variable."""
    pod, suffix = _pod(job), f"-{index}"
    pod.metadata.generateName = f"{job.metadata.name[: LONGEST_GENERATED_NAME - len(suffix) - 1]}{suffix}-"
    pod.metadata.annotations |= {indexes.ANNOTATION: str(index), **annotations}
    pod.metadata.labels[indexes.ANNOTATION] = str(index)
    pod.spec.hostname = f"{job.metadata.name}{suffix}"
    source = EnvVarSource(fieldRef=ObjectFieldSelector(apiVersion="v1", fieldPath=f"metadata.labels['{indexes.ANNOTATION}']"))
    for container in (*pod.spec.containers, *pod.spec.initContainers):
        if all(variable.name != "JOB_COMPLETION_INDEX" for variable in container.env):
            container.env.append(EnvVar(name="JOB_COMPLETION_INDEX", valueFrom=source))
    return pod


def _made(type: str, reason: str, message: str, world: World) -> JobCondition:
    now = world.now_text
    return JobCondition(type=type, status="True", reason=reason, message=message, lastProbeTime=now, lastTransitionTime=now)


def _with_present(job: Job, members: Sequence[Pod]) -> Job:
    """A copy whose status tells of the Pods that are there."""
    changed = codec.clone(job)
    status = changed.status
    active = [pod for pod in members if pods.is_active(pod)]
    status.active, status.ready = len(active), sum(map(pods.is_ready, active))
    status.terminating = sum(map(_is_ending, members))
    return changed


def _with_status(job: Job, tally: Tally, members: Sequence[Pod]) -> Job:
    changed = _with_present(job, members)
    status = changed.status
    status.succeeded, status.failed = tally.counted_succeeded, tally.counted_failed
    status.uncountedTerminatedPods = tally.uncounted
    if job.spec.completionMode == "Indexed":
        status.completedIndexes = indexes.text(tally.done)
        if job.spec.backoffLimitPerIndex is not None:  # else it must be null
            status.failedIndexes = indexes.text(tally.given_up)
    return changed
