"""Ending of a Pod: whether it has started, and its steps. Pure.

- A pod ends when it is deleted, past its deadline, or when nothing of it will run again.
- Containers end side by side, sidecars after them in the reverse of their order; then the sandbox, then the rest.
- An end is never taken back; its grace period only shrinks.
"""

from __future__ import annotations

from dataclasses import replace

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.pods.observed import Ending, PodState
from pilothouse.kubelet.pods.spec import grace_seconds, is_sidecar, is_terminal, may_restart, restarts, sidecars
from pilothouse.kubelet.pods.steps import Kill, KillAll, Plan, Release, Remove, StopSandbox
from pilothouse.kubelet.runtime.containers import ContainerState

LOST_MESSAGE = "The pod's sandbox ended before its containers did, and its restart policy is Never"
DEADLINE, DEADLINE_MESSAGE = "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"


def decide(pod: Pod, observed: PodState, now: float) -> Ending | None:
    """The ending that applies to the Pod or is under way; None when there is none."""
    current = observed.ending
    if pod.metadata.deletionTimestamp or (current is not None and current.deleted):
        return _deleted(pod, current)
    if current is not None:
        return current
    if is_terminal(pod):
        return Ending(grace_seconds(pod), phase=pod.status.phase, reason=pod.status.reason, message=pod.status.message)
    deadline = pod.spec.activeDeadlineSeconds
    if deadline is not None and observed.first_seen and now >= observed.first_seen + deadline:
        return Ending(grace_seconds(pod), phase="Failed", reason=DEADLINE, message=DEADLINE_MESSAGE)
    if finished(pod, observed):
        return Ending(grace_seconds(pod))
    return Ending(grace_seconds(pod), phase="Failed", message=LOST_MESSAGE) if _lost(pod, observed) else None


def _deleted(pod: Pod, current: Ending | None) -> Ending:
    grace = grace_seconds(pod)
    if current is None:
        return Ending(grace, deleted=True)
    return replace(current, grace_seconds=min(grace, current.grace_seconds), deleted=True)


def finished(pod: Pod, observed: PodState) -> bool:
    """Whether no container will run again: all are done, or an init container has failed for good."""
    if observed.restart_all_triggers(pod):
        return False
    if _init_failed(pod, observed):
        return True
    newest = [(container, observed.newest(container.name)) for container in pod.spec.containers]
    return bool(newest) and all(run is not None and run.exited and not restarts(pod, container, run.exit_code) for container, run in newest)


def _lost(pod: Pod, observed: PodState) -> bool:
    """A pod that never restarts has lost its sandbox halfway. Upstream leaves it Pending for ever; here it fails."""
    sandbox = observed.sandbox
    began = any(run.sandbox_id == sandbox.id for run in observed.all_runs()) if sandbox is not None else False
    never = not any(may_restart(pod, container) for container in (*pod.spec.initContainers, *pod.spec.containers))
    return never and sandbox is not None and not sandbox.ready and began


def _init_failed(pod: Pod, observed: PodState) -> bool:
    if any(observed.newest(container.name) for container in pod.spec.containers):
        return False
    runs = [(container, observed.newest(container.name)) for container in pod.spec.initContainers if not is_sidecar(container)]
    return any(
        run is not None and run.exited and run.exit_code != 0 and not restarts(pod, container, run.exit_code) for container, run in runs
    )


def plan_ending(pod: Pod, observed: PodState, ending: Ending, plan: Plan) -> None:
    """Kill the containers; when none runs, stop the sandboxes; then release volumes, cgroup and directories."""
    kills = _kills(pod, observed, ending.grace_seconds)
    if kills:
        plan.steps.append(KillAll(kills))
        return
    plan.steps.extend(Remove(run.id) for run in observed.all_runs() if run.state is ContainerState.CREATED)
    plan.steps.extend(StopSandbox(sandbox.id) for sandbox in observed.sandboxes if sandbox.ready)
    if not observed.released:
        plan.steps.append(Release())


def _kills(pod: Pod, observed: PodState, grace: int) -> tuple[Kill, ...]:
    alive = [run for run in observed.all_runs() if run.state in {ContainerState.RUNNING, ContainerState.UNKNOWN}]
    order = [container.name for container in sidecars(pod)]
    later = {name: place for place, name in enumerate(reversed(order))}
    kills = []
    for run in alive:
        before = tuple(
            other.id for other in alive if run.name in later and (other.name not in later or later[other.name] < later[run.name])
        )
        kills.append(Kill(run.id, run.name, grace, after=before))
    return tuple(kills)
