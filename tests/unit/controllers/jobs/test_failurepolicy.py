"""What a podFailurePolicy makes of Pods that have failed."""

from __future__ import annotations

import pytest

from pilothouse.api.types.batch_v1 import (
    Job,
    JobSpec,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
)
from pilothouse.api.types.core_v1 import ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition, PodStatus
from pilothouse.controllers.jobs.failurepolicy import failing_message, has_failed, match_policy
from pilothouse.controllers.jobs.tally import FINALIZER, tally
from pilothouse.machinery.meta_v1 import ObjectMeta


def exits(action: str, operator: str, *values: int, container: str = "") -> PodFailurePolicyRule:
    wanted = PodFailurePolicyOnExitCodesRequirement(containerName=container, operator=operator, values=list(values))
    return PodFailurePolicyRule(action=action, onExitCodes=wanted)


DISRUPTED = PodFailurePolicyRule(
    action="Ignore", onPodConditions=[PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True")]
)


def job(*rules: PodFailurePolicyRule) -> Job:
    return Job(spec=JobSpec(podFailurePolicy=PodFailurePolicy(rules=list(rules)) if rules else None))


def pod(code: int = 1, *conditions: str, phase: str = "Failed", deleted: bool = False) -> Pod:
    ended = ContainerState(terminated=ContainerStateTerminated(exitCode=code))
    meta = ObjectMeta(name="p", namespace="n", uid="u", finalizers=[FINALIZER], deletionTimestamp="2030-01-01T00:00:00Z" if deleted else "")
    told = [PodCondition(type=one, status="True") for one in conditions]
    return Pod(metadata=meta, status=PodStatus(phase=phase, conditions=told, containerStatuses=[ContainerStatus(name="c", state=ended)]))


@pytest.mark.parametrize(
    ("rules", "failed", "action", "message"),
    [
        pytest.param((), pod(), "Count", "", id="no policy"),
        pytest.param((exits("FailJob", "In", 2),), pod(1), "Count", "", id="no rule matches"),
        pytest.param(
            (DISRUPTED, exits("FailJob", "In", 1, 2)),
            pod(1),
            "FailJob",
            "Container c for pod n/p failed with exit code 1 matching FailJob rule at index 1",
            id="an exit code",
        ),
        pytest.param((exits("FailJob", "NotIn", 1),), pod(1), "Count", "", id="an exit code that is excepted"),
        pytest.param((exits("FailJob", "NotIn", 1),), pod(0), "Count", "", id="success matches nothing"),
        pytest.param((exits("FailJob", "In", 1, container="d"),), pod(1), "Count", "", id="another container"),
        pytest.param(
            (DISRUPTED, exits("FailJob", "In", 1)),
            pod(1, "DisruptionTarget"),
            "Ignore",
            "Pod n/p has condition DisruptionTarget matching Ignore rule at index 0",
            id="the first rule decides",
        ),
    ],
)
def test_what_becomes_of_a_failed_pod(rules: tuple[PodFailurePolicyRule, ...], failed: Pod, action: str, message: str) -> None:
    assert match_policy(job(*rules), failed) == (action, message)
    assert failing_message(job(*rules), [failed]) == (message if action == "FailJob" else "")


def test_with_a_policy_a_deleted_pod_has_failed_only_when_it_says_so() -> None:
    leaving = pod(phase="Running", deleted=True)
    assert has_failed(job(), leaving)
    assert not has_failed(job(DISRUPTED), leaving)


def test_an_ignored_pod_is_let_go_uncounted() -> None:
    found = tally(job(DISRUPTED), [pod(1, "DisruptionTarget")])
    assert (found.failed, len(found.release)) == (0, 1)
    assert tally(job(DISRUPTED), [pod(1)]).failed == 1
