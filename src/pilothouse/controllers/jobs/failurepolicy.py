"""podFailurePolicy of a Job. Pure.

The first rule that matches decides; a Pod that none matches counts toward backoffLimit, as without a policy.
"""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.batch_v1 import Job, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule
from pilothouse.api.types.core_v1 import ContainerStatus, Pod

FAIL_JOB, FAIL_INDEX, IGNORE, COUNT = "FailJob", "FailIndex", "Ignore", "Count"
REASON = "PodFailurePolicy"


def replaces_only_failed(job: Job) -> bool:
    """A Pod that is on its way out is neither failed nor replaced before it has ended."""
    return job.spec.podFailurePolicy is not None or job.spec.podReplacementPolicy == "Failed"


def has_failed(job: Job, pod: Pod) -> bool:
    """Deleted Pods count too, for they may vanish before they say how they ended, unless the Job waits for that."""
    if pod.status.phase == "Failed":
        return True
    return bool(pod.metadata.deletionTimestamp) and pod.status.phase != "Succeeded" and not replaces_only_failed(job)


def match_policy(job: Job, pod: Pod) -> tuple[str, str]:
    """Action for a failed Pod, and the message of the matching rule."""
    policy = job.spec.podFailurePolicy
    for place, rule in enumerate((policy.rules or ()) if policy is not None else ()):
        match = _by_exit_code(pod, rule) if rule.onExitCodes is not None else _by_condition(pod, rule)
        if match:
            return rule.action, f"{match} matching {rule.action} rule at index {place}"
    return COUNT, ""


def failing_message(job: Job, pods: Iterable[Pod]) -> str:
    """Why the Job is to fail at once; empty when no Pod says so."""
    if job.spec.podFailurePolicy is None:
        return ""
    verdicts = (match_policy(job, pod) for pod in pods if has_failed(job, pod))
    return next((message for action, message in verdicts if action == FAIL_JOB), "")


def _by_exit_code(pod: Pod, rule: PodFailurePolicyRule) -> str:
    wanted = rule.onExitCodes
    assert wanted is not None
    for status in (*pod.status.containerStatuses, *pod.status.initContainerStatuses):
        if _matches(status, wanted):
            assert status.state.terminated is not None
            return f"Container {status.name} for pod {_name(pod)} failed with exit code {status.state.terminated.exitCode}"
    return ""


def _matches(container_status: ContainerStatus, wanted: PodFailurePolicyOnExitCodesRequirement) -> bool:
    ended = container_status.state.terminated
    if ended is None or ended.exitCode == 0 or (wanted.containerName and wanted.containerName != container_status.name):
        return False
    return (ended.exitCode in (wanted.values or ())) == (wanted.operator == "In")


def _by_condition(pod: Pod, rule: PodFailurePolicyRule) -> str:
    wanted = {(pattern.type, pattern.status or "True") for pattern in rule.onPodConditions}
    condition_type = next((condition.type for condition in pod.status.conditions if (condition.type, condition.status) in wanted), "")
    return f"Pod {_name(pod)} has condition {condition_type}" if condition_type else ""


def _name(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"
