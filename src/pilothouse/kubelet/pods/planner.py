"""The kubelet's decisions about one Pod: Pod and observed state -> next steps. Pure.

- Running the steps and planning again converges; no plan ever starts a second run of a container that may be running.
- One sandbox at a time; init containers one after another, in order; containers in the order of the spec.
- What failed is tried again after its back-off, and `wake_at` says when.
- An ending pod starts nothing any more; why and when a pod ends is pods/ending.py's.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.core.restartrules import RESTART_ALL
from pilothouse.api.types.core_v1 import Container, Pod, ResourceRequirements
from pilothouse.kubelet.pods import backoff
from pilothouse.kubelet.pods.ending import plan_ending
from pilothouse.kubelet.pods.observed import PodState, Run
from pilothouse.kubelet.pods.spec import grace_seconds, is_sidecar, may_restart, restarts, spec_hash
from pilothouse.kubelet.pods.steps import AnyContainer, BackingOff, Kill, KillAll, Plan, RemoveSandbox, Resize, SetUp, Start, StopSandbox
from pilothouse.kubelet.pods.steps import Remove as RemoveRun
from pilothouse.kubelet.runtime.containers import ContainerState

DEAD_RUNS_KEPT = 1
"""Of each container; upstream's maximum-dead-containers-per-container."""


def plan(pod: Pod, observed: PodState, now: float) -> Plan:
    """Steps that bring `observed` closer to `pod`; without steps nothing is to be done before `wake_at`."""
    plan = Plan()
    if observed.ending is not None:
        plan_ending(pod, observed, observed.ending, plan)
        return plan
    _wake_for_deadline(pod, observed, plan)
    stale = _stale_sandboxes(pod, observed)
    if stale:
        plan.steps.extend(stale)
        return plan
    if observed.sandbox is None or not _usable(pod, observed) or not observed.prepared:
        _set_up(pod, observed, now, plan)
        return plan
    reset = _reset(pod, observed)
    if reset:
        plan.steps.extend(reset)
        return plan
    if _plan_init(pod, observed, now, plan):
        _plan_containers(pod, observed, now, plan)
    _plan_ephemeral(pod, observed, now, plan)
    plan.steps.extend(_garbage(observed))
    return plan


def _wake_for_deadline(pod: Pod, observed: PodState, plan: Plan) -> None:
    if pod.spec.activeDeadlineSeconds is not None:
        plan.wake_by(observed.first_seen + pod.spec.activeDeadlineSeconds)


# Sandbox


def _usable(pod: Pod, observed: PodState) -> bool:
    sandbox = observed.sandbox
    if sandbox is None or not sandbox.ready:
        return False
    wanted = bool(pod.spec.hostNetwork)
    return sandbox.host_network == wanted and (wanted or bool(sandbox.ips))


def _stale_sandboxes(pod: Pod, observed: PodState) -> list[KillAll | StopSandbox]:
    """End what lives in sandboxes that are not to be used any more, before a new one is made."""
    usable = _usable(pod, observed)
    old = observed.sandboxes[1:] if usable else observed.sandboxes
    names = {sandbox.id for sandbox in old}
    grace = grace_seconds(pod)
    kills = tuple(
        Kill(run.id, run.name, grace)
        for run in observed.all_runs()
        if run.sandbox_id in names and run.state in {ContainerState.RUNNING, ContainerState.UNKNOWN}
    )
    steps: list[KillAll | StopSandbox] = [KillAll(kills)] if kills else []
    return steps + [StopSandbox(sandbox.id) for sandbox in old if sandbox.ready]


def _set_up(pod: Pod, observed: PodState, now: float, plan: Plan) -> None:
    failure = observed.setup_failure
    if failure is not None and backoff.is_pending(failure.retry_at, now):
        plan.wake_by(failure.retry_at)
        return
    sandbox = observed.sandbox
    usable = _usable(pod, observed)
    if not usable and sandbox is not None and not _should_create_sandbox(pod, observed):
        return
    attempt = 0 if sandbox is None else sandbox.attempt + 1
    plan.steps.append(SetUp(attempt, sandbox=not usable, prepare=not observed.prepared))


def _should_create_sandbox(pod: Pod, observed: PodState) -> bool:
    """A pod that never restarts, or has done all its work, gets no second sandbox."""
    if not any(observed.all_runs()):
        return True
    if not any(may_restart(pod, container) for container in (*pod.spec.initContainers, *pod.spec.containers)):
        return False
    newest = [(container, observed.newest(container.name)) for container in pod.spec.containers]
    return any(run is None or not run.exited or restarts(pod, container, run.exit_code) for container, run in newest)


# Containers


def _reset(pod: Pod, observed: PodState) -> list[KillAll | RemoveRun]:
    """End and remove all runs when one ended so that all containers are to start anew; those that say so go last, so that a kubelet that is
    restarted meanwhile knows it too."""
    triggers = observed.restart_all_triggers(pod)
    if not triggers:
        return []
    grace, names = grace_seconds(pod), {container.name for container in (*pod.spec.initContainers, *pod.spec.containers)}
    runs = [run for run in observed.all_runs() if run.name in names]
    kills = tuple(Kill(run.id, run.name, grace, RESTART_ALL) for run in runs if run.running)
    others = [RemoveRun(run.id) for run in runs if run not in triggers]
    return [*([KillAll(kills)] if kills else []), *others, *(RemoveRun(run.id) for run in triggers)]


def _plan_init(pod: Pod, observed: PodState, now: float, plan: Plan) -> bool:
    """Whether initialization is over, so that the containers may run; appends what it still needs."""
    initialized = any(observed.current(container.name) for container in pod.spec.containers)
    for container in pod.spec.initContainers:
        run = observed.current(container.name)
        if is_sidecar(container):
            _keep_running(pod, container, run, observed, now, plan)
            if not initialized and (run is None or not observed.started(run)):
                return False
        elif not initialized and not (run is not None and run.succeeded):
            _plan_one_init(pod, container, run, observed, now, plan)
            return False
    return True


def _plan_one_init(pod: Pod, container: Container, run: Run | None, observed: PodState, now: float, plan: Plan) -> None:
    """An init container that has not succeeded yet. A failure after which it does not run again ends the pod (pods/ending.py)."""
    if run is not None and run.running:
        return
    if run is not None and run.exited and not restarts(pod, container, run.exit_code):
        return
    _start(container, run, observed, now, plan)


def _plan_containers(pod: Pod, observed: PodState, now: float, plan: Plan) -> None:
    for container in pod.spec.containers:
        _keep_running(pod, container, observed.current(container.name), observed, now, plan)


def _keep_running(pod: Pod, container: Container, run: Run | None, observed: PodState, now: float, plan: Plan) -> None:
    """Start it, leave it, or end it so that it starts anew."""
    if run is not None and run.running:
        message, grace = _reason_to_restart(pod, container, run, observed)
        if message:
            plan.steps.append(KillAll((Kill(run.id, run.name, grace, message),)))
        elif container.resources != observed.applied.get(run.id, container.resources):
            _resize(run, container, observed, now, plan)
        return
    if run is not None and run.exited and not is_sidecar(container) and not restarts(pod, container, run.exit_code):
        return
    _start(container, run, observed, now, plan)


def _resize(run: Run, container: Container, observed: PodState, now: float, plan: Plan) -> None:
    failure = observed.resize_failure
    if failure is not None and backoff.is_pending(failure.retry_at, now):
        plan.wake_by(failure.retry_at)
    else:
        plan.steps.append(Resize(run.id, container))


def _reason_to_restart(pod: Pod, container: Container, run: Run, observed: PodState) -> tuple[str, int]:
    grace = grace_seconds(pod)
    if run.spec_hash and run.spec_hash != spec_hash(container):
        return f"Container {run.name} definition changed, will be restarted", grace
    if _needs_restart(container, observed.applied.get(run.id)):
        return f"Container {run.name} resize requires restart", grace
    failed = observed.probed(run).failed
    probe = {"Liveness": container.livenessProbe, "Startup": container.startupProbe}.get(failed)
    if probe is None:
        return "", grace
    own = probe.terminationGracePeriodSeconds
    message = f"Container {run.name} failed {failed.lower()} probe"
    if is_sidecar(container) or restarts(pod, container, 1):
        message += ", will be restarted"
    return message, grace if own is None else max(own, 1)


def _needs_restart(container: Container, applied: ResourceRequirements | None) -> bool:
    """Whether what changed of its resources cannot change while it runs, as its resizePolicy says."""
    if applied is None or applied == container.resources:
        return False
    own = container.resources
    changed = {
        name
        for old, new in ((applied.requests, own.requests), (applied.limits, own.limits))
        for name in (*old, *new)
        if old.get(name) != new.get(name)
    }
    return any(policy.resourceName in changed and policy.restartPolicy == "RestartContainer" for policy in container.resizePolicy)


def _start(container: AnyContainer, run: Run | None, observed: PodState, now: float, plan: Plan) -> None:
    """Start the next run, or wait for what delays it; a run that is in no clear state is ended first."""
    failure = observed.failures.get(container.name)
    if failure is not None and backoff.is_pending(failure.retry_at, now):
        plan.wake_by(failure.retry_at)
        return
    if run is not None and run.state is ContainerState.UNKNOWN:
        plan.steps.append(KillAll((Kill(run.id, run.name, 1, "Container is in unknown state, try killing it before starting"),)))
        return
    if run is not None and run.state is ContainerState.CREATED:
        plan.steps.append(RemoveRun(run.id))
        return
    if _backs_off(container.name, observed, now, plan):
        return
    plan.steps.append(Start(container, next_attempt(observed.runs.get(container.name, ()), observed.lost.get(container.name, -1))))


def _backs_off(name: str, observed: PodState, now: float, plan: Plan) -> bool:
    newest = observed.newest(name)
    if newest is None or not newest.exited:
        return False
    entry = observed.back_offs.get(name)
    until = backoff.waits_until(entry, newest.finished_at, now)
    if until is None or entry is None:
        return False
    plan.wake_by(until)
    failure = observed.failures.get(name)
    if failure is None or failure.retry_at != until:
        plan.steps.append(BackingOff(name, entry.seconds, until))
    return True


def next_attempt(runs: Sequence[Run], lost: int) -> int:
    """Attempt number of the next run; `lost` is the highest one that the runtime no longer has."""
    return max((lost, *(run.attempt for run in runs))) + 1


def _plan_ephemeral(pod: Pod, observed: PodState, now: float, plan: Plan) -> None:
    """Each is started once, whatever becomes of it."""
    for container in pod.spec.ephemeralContainers:
        if observed.newest(container.name) is None:
            _start(container, None, observed, now, plan)


# What nobody needs any more


def _garbage(observed: PodState) -> list[RemoveRun | RemoveSandbox]:
    """Of each container the newest run and the one before are kept, for `logs --previous`; of sandboxes those that hold a run."""
    old = [run for runs in observed.runs.values() for run in runs[1 + DEAD_RUNS_KEPT :] if run.exited]
    gone = {run.id for run in old}
    held = {run.sandbox_id for run in observed.all_runs() if run.id not in gone}
    sandboxes = [sandbox.id for sandbox in observed.sandboxes[1:] if sandbox.id not in held and not sandbox.ready]
    return [*(RemoveRun(run.id) for run in old), *(RemoveSandbox(sandbox) for sandbox in sandboxes)]
