"""Jobs: indexes, policies, what may change, and what a status may say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pilothouse.api.types.batch_v1 import Job, JobCondition, UncountedTerminatedPods
from pilothouse.api.types.core_v1 import Toleration
from pilothouse.machinery.codec import clone
from tests.unit.api.objects import created, wrong_with, wrong_with_change, wrong_with_status

IN_ALL = 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'
TOO_MANY_FAILURES = "must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index"


def job(**spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "w", "namespace": "n"}, "spec": {"template": template, **spec}}


def indexed(**spec: Any) -> dict[str, Any]:
    return job(**{"completionMode": "Indexed", "completions": 5, "parallelism": 5, **spec})


def failure(**rule: Any) -> dict[str, Any]:
    return job(podFailurePolicy={"rules": [{"action": "FailJob", **rule}]})


def success(**rule: Any) -> dict[str, Any]:
    return indexed(successPolicy={"rules": [rule]})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(indexed(backoffLimitPerIndex=1, maxFailedIndexes=5), [], id="indexed"),
        pytest.param(
            job(completionMode="Some"),
            ['completionMode: Unsupported value: "Some": supported values: "NonIndexed", "Indexed"'],
            id="an unknown mode",
        ),
        pytest.param(
            indexed(maxFailedIndexes=6),
            [
                "backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
                "maxFailedIndexes: Invalid value: 6: must be less than or equal to completions",
            ],
            id="more failures than indexes",
        ),
        pytest.param(
            indexed(completions=100001, parallelism=10001, backoffLimitPerIndex=1, maxFailedIndexes=10001),
            [
                f"parallelism: Invalid value: 10001: {TOO_MANY_FAILURES}",
                f"maxFailedIndexes: Invalid value: 10001: {TOO_MANY_FAILURES}",
            ],
            id="very many indexes",
        ),
        pytest.param(
            indexed(completions=100001, backoffLimitPerIndex=1),
            ["maxFailedIndexes: Required value: must be specified when completions is above 100000"],
            id="very many indexes without a limit",
        ),
        pytest.param(
            job(maxFailedIndexes=1, backoffLimitPerIndex=1),
            [
                "backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode",
                "maxFailedIndexes: Invalid value: 1: requires indexed completion mode",
            ],
            id="limits of indexes without indexes",
        ),
        pytest.param(
            job(managedBy="me"),
            ['managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'],
            id="a manager without a domain",
        ),
        pytest.param(failure(onExitCodes={"operator": "In", "values": [1, 3]}), [], id="a rule about exit codes"),
        pytest.param(
            failure(action="", onPodConditions=[{"type": "DisruptionTarget"}]),
            [f"podFailurePolicy.rules[0].action: Required value: {IN_ALL}"],
            id="no action",
        ),
        pytest.param(
            failure(action="FailIndex", onPodConditions=[{"type": "a b", "status": "Maybe"}]),
            [
                'podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
                'podFailurePolicy.rules[0].onPodConditions[0].type: Invalid value: "a b": name part must consist of alphanumeric '
                "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  "
                "or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                'podFailurePolicy.rules[0].onPodConditions[0].status: Unsupported value: "Maybe": supported values: '
                '"False", "True", "Unknown"',
            ],
            id="a condition that is none",
        ),
        pytest.param(
            failure(),
            ["podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"],
            id="a rule about nothing",
        ),
        pytest.param(
            failure(onExitCodes={"operator": "In", "values": [3, 0, 3]}),
            [
                "podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
                "podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 3",
                "podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0,3]: must be ordered",
            ],
            id="exit codes in disorder",
        ),
        pytest.param(
            job(podReplacementPolicy="TerminatingOrFailed", podFailurePolicy={"rules": []}),
            ['podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
            id="replaced before it is known why it failed",
        ),
        pytest.param(
            job(selector={"matchLabels": {"app": "a"}}),
            [
                'selector: Invalid value: {"matchLabels":{"app":"a","batch.kubernetes.io/controller-uid":"uid-1"}}: '
                "`selector` not auto-generated",
                'template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"uid-1",'
                '"batch.kubernetes.io/job-name":"w","controller-uid":"uid-1","job-name":"w"}: '
                "`selector` does not match template `labels`",
            ],
            id="a selector of one's own",
        ),
        pytest.param(success(succeededIndexes="0,2-4", succeededCount=4), [], id="a success"),
        pytest.param(
            success(),
            ["successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified"],
            id="a success without a rule",
        ),
        pytest.param(
            success(succeededIndexes="0,2-4", succeededCount=5),
            [
                "successPolicy.rules[0].succeededCount: Invalid value: 5: must be less than or equal to 4 (the number of indexes in the "
                "specified succeededIndexes field)"
            ],
            id="more than there are",
        ),
        *(
            pytest.param(
                success(succeededIndexes=text),
                [f'successPolicy.rules[0].succeededIndexes: Invalid value: "{text}": error parsing succeededIndexes: {wrong}'],
                id=f"indexes {text}",
            )
            for text, wrong in (
                ("a", 'cannot convert string to integer for index: "a"'),
                ("1-7", 'too large index: "7"'),
                ("3,1", "non-increasing order, previous: 3, current: 1"),
                ("3-2", "non-increasing order, previous: 3, current: 2"),
                (
                    "1-2-3",
                    "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'",
                ),
            )
        ),
    ],
)
def test_what_is_wrong_with_a_job(document: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(document) == [f"spec.{message}" for message in expected]


def test_labels_that_are_anothers() -> None:
    document = job()
    document["spec"]["template"]["metadata"] = {"labels": {"job-name": "other"}}
    (found,) = wrong_with(document)
    assert found.startswith("spec.template.metadata.labels[job-name]: Invalid value: {")
    assert found.endswith(": must be 'w'")


def test_the_last_pod_of_an_indexed_job_must_have_a_name() -> None:
    document = indexed(completions=1000)
    document["metadata"]["name"] = name = "w" * 60
    assert wrong_with(document) == [
        f'metadata.name: Invalid value: "{name}": will not able to create pod with invalid DNS label: {name}-999'
    ]


def set_toleration(one: Any) -> None:
    one.spec.template.spec.tolerations = [Toleration(operator="Exists")]


def set_image(one: Any) -> None:
    one.spec.template.spec.containers[0].image = "other"


def set_completions(one: Any) -> None:
    one.spec.completions = 3


def drop_limit(one: Any) -> None:
    one.spec.backoffLimitPerIndex = None


def set_size(one: Any) -> None:
    one.spec.completions = one.spec.parallelism = 3


@pytest.mark.parametrize(
    ("document", "change", "expected"),
    [
        pytest.param(job(suspend=True), set_toleration, "", id="where a waiting job goes"),
        pytest.param(job(suspend=True), set_image, "spec.template.spec: Invalid value", id="what a waiting job runs"),
        pytest.param(job(), set_toleration, "spec.template: Invalid value", id="where a running job goes"),
        pytest.param(job(), set_completions, "spec.completions: Invalid value: 3: field is immutable", id="how often it runs"),
        pytest.param(
            indexed(backoffLimitPerIndex=0),
            drop_limit,
            "spec.backoffLimitPerIndex: Invalid value: null: field is immutable",
            id="no limit instead of none",
        ),
        pytest.param(indexed(), set_size, "", id="a smaller indexed job"),
        pytest.param(
            indexed(),
            set_completions,
            "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism",
            id="fewer completions alone",
        ),
    ],
)
def test_what_may_change(document: dict[str, Any], change: Callable[[Any], None], expected: str) -> None:
    old = created(document)
    new = clone(old)
    change(new)
    found = wrong_with_change(old, new)
    assert len(found) == bool(expected)
    assert "".join(found).startswith(expected)


START, END = "2025-01-01T00:00:00Z", "2025-01-01T00:01:00Z"
STARTED: dict[str, Any] = {"startTime": START}
COMPLETE: dict[str, Any] = {"startTime": START, "completionTime": END, "true": ["SuccessCriteriaMet", "Complete"]}
FAILED: dict[str, Any] = {"startTime": START, "true": ["FailureTarget", "Failed"]}


def with_status(one: Job, true: Sequence[str] = (), **fields: Any) -> Job:
    result = clone(one)
    for name, value in fields.items():
        setattr(result.status, name, value)
    result.status.conditions = [JobCondition(type=name, status="True") for name in true]
    return result


CONDITIONS = "status.conditions: Invalid value: cannot "


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(STARTED, COMPLETE, "", id="complete"),
        pytest.param(STARTED, FAILED, "", id="failed"),
        pytest.param(COMPLETE, COMPLETE | {"true": ["SuccessCriteriaMet"], "completionTime": ""}, f"{CONDITIONS}disable", id="no more"),
        pytest.param(FAILED, FAILED | {"true": ["Failed"]}, f"{CONDITIONS}set Failed=True condition without", id="unsaid again"),
        pytest.param(STARTED, COMPLETE | {"true": ["Complete"]}, f"{CONDITIONS}set Complete=True condition without", id="not announced"),
        pytest.param(
            STARTED,
            COMPLETE | {"true": [*COMPLETE["true"], *FAILED["true"]]},
            f"{CONDITIONS}set Complete=True and Failed=true conditions",
            id="both ends",
        ),
        pytest.param(STARTED, COMPLETE | {"completionTime": ""}, "status.completionTime: Required value", id="complete at no time"),
        pytest.param(STARTED, STARTED | {"completionTime": END}, "status.completionTime: Invalid value", id="a time of no end"),
        pytest.param({}, COMPLETE | {"startTime": END, "completionTime": START}, "status.completionTime: Invalid value", id="too early"),
        pytest.param(COMPLETE, COMPLETE | {"completionTime": START}, "status.completionTime: Invalid value", id="at another time"),
        pytest.param(STARTED, {}, "status.startTime: Invalid value: null: field is immutable for unsuspended", id="never begun"),
        pytest.param({}, FAILED | {"startTime": ""}, "status.startTime: Required value: startTime is required", id="ended unbegun"),
        pytest.param(STARTED, FAILED | {"active": 1}, "status.active: Invalid value: 1: active>0 is invalid", id="still active"),
        pytest.param(STARTED, FAILED | {"terminating": 1}, "status.terminating: Invalid value: 1", id="still ending"),
        pytest.param(STARTED, STARTED | {"ready": 1}, "status.ready: Invalid value: 1: cannot set more ready pods", id="ready, not active"),
        pytest.param(STARTED | {"failed": 2}, STARTED | {"failed": 1}, "status.failed: Invalid value: 1: cannot", id="fewer failed"),
        pytest.param(STARTED | {"succeeded": 2}, STARTED | {"succeeded": 1}, "status.succeeded: Invalid value: 1", id="fewer succeeded"),
        pytest.param(STARTED, STARTED | {"completedIndexes": "1"}, "status.completedIndexes: Invalid value", id="no indexed job"),
        pytest.param(STARTED, STARTED | {"failedIndexes": "1"}, "status.failedIndexes: Invalid value", id="failed indexes without a limit"),
        pytest.param(
            STARTED,
            STARTED | {"uncountedTerminatedPods": UncountedTerminatedPods(succeeded=["a"], failed=["a"])},
            'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
            id="one that both succeeded and failed",
        ),
    ],
)
def test_what_a_status_may_become(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    made = created(job())
    found = wrong_with_status(with_status(made, **before), with_status(made, **after))
    assert any(one.startswith(expected) for one in found) if expected else found == []


GENERATED = {"batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"}


def test_counts_of_a_status_are_not_negative() -> None:
    old = created(job())
    new = clone(old)
    new.status.active = -1
    assert wrong_with_status(old, new) == ["status.active: Invalid value: -1: must be greater than or equal to 0"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, GENERATED, id="all"),
        pytest.param({"app": "w"}, {"app", *GENERATED}, id="those that the template was given"),
    ],
)
def test_a_job_without_labels_gets_those_of_its_template(given: dict[str, str], expected: set[str]) -> None:
    document = job()
    document["spec"]["template"]["metadata"] = {"labels": given}
    assert {*created(document).metadata.labels} == expected
