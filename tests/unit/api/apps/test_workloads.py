"""Workloads: defaults and rules of Deployment, ReplicaSet, DaemonSet, StatefulSet, Job and CronJob."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pilothouse.machinery.codec import clone
from tests.unit.api.objects import created, defaulted, wrong_with, wrong_with_change, wrong_with_status

LABELS = {"app": "a"}
APPS = {"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "DaemonSet": "apps/v1", "StatefulSet": "apps/v1", "Job": "batch/v1"}


def template(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def workload(kind: str, **spec: Any) -> dict[str, Any]:
    if kind != "Job":
        spec.setdefault("selector", {"matchLabels": LABELS})
    spec.setdefault("template", template(**({"restartPolicy": "Never"} if kind == "Job" else {})))
    return {"apiVersion": APPS[kind], "kind": kind, "metadata": {"name": "w", "namespace": "n"}, "spec": spec}


def cron(schedule: str = "* * * * *", **spec: Any) -> dict[str, Any]:
    spec = {"schedule": schedule, "jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c", "namespace": "n"}, "spec": spec}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(
            workload("Deployment"),
            {
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            },
            id="deployment",
        ),
        pytest.param(workload("Deployment", strategy={"type": "Recreate"}), {"strategy": {"type": "Recreate"}}, id="recreate"),
        pytest.param(workload("ReplicaSet"), {"replicas": 1}, id="replicaset"),
        pytest.param(workload("ReplicaSet", replicas=0), {"replicas": 0}, id="none asked for stays none"),
        pytest.param(
            workload("DaemonSet"),
            {
                "revisionHistoryLimit": 10,
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            },
            id="daemonset",
        ),
        pytest.param(
            workload("StatefulSet"),
            {
                "replicas": 1,
                "podManagementPolicy": "OrderedReady",
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "partition": 0}},
            },
            id="statefulset",
        ),
        pytest.param(
            workload("Job"),
            {
                "completions": 1,
                "parallelism": 1,
                "backoffLimit": 6,
                "completionMode": "NonIndexed",
                "suspend": False,
                "manualSelector": False,
                "podReplacementPolicy": "TerminatingOrFailed",
            },
            id="job",
        ),
        pytest.param(workload("Job", parallelism=3), {"parallelism": 3}, id="a work queue has no completions"),
        pytest.param(
            cron(),
            {"concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1},
            id="cronjob",
        ),
    ],
)
def test_defaults_are_upstreams(document: dict[str, Any], expected: dict[str, Any]) -> None:
    spec = msgspec.to_builtins(defaulted(document))["spec"]
    assert {field: spec[field] for field in expected} == expected


def test_a_jobs_pods_bear_its_uid() -> None:
    job = created(workload("Job"))
    assert job.spec.selector.matchLabels == {"batch.kubernetes.io/controller-uid": "uid-1"}
    assert job.spec.template.metadata.labels == {
        **LABELS,
        "controller-uid": "uid-1",
        "job-name": "w",
        "batch.kubernetes.io/controller-uid": "uid-1",
        "batch.kubernetes.io/job-name": "w",
    }


MISMATCH = 'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'


CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
MOUNTED = {
    "template": template(containers=[{"name": "c", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]),
    "volumeClaimTemplates": [CLAIM],
}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        *(pytest.param(workload(kind), [], id=f"the smallest {kind}") for kind in APPS),
        pytest.param(workload("Deployment", selector=None), ["spec.selector: Required value", MISMATCH], id="no selector"),
        *(
            pytest.param(
                workload(kind, selector={}),
                [f"spec.selector: Invalid value: {{}}: empty selector is invalid for {word}"],
                id=f"an empty selector of a {kind}",
            )
            for kind, word in (("Deployment", "deployment"), ("ReplicaSet", "deployment"), ("StatefulSet", "statefulset"))
        ),
        pytest.param(workload("Deployment", selector={"matchLabels": {"app": "b"}}), [MISMATCH], id="a selector of other pods"),
        pytest.param(
            workload("ReplicaSet", replicas=-1),
            ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
            id="less than none",
        ),
        pytest.param(
            workload("Deployment", template=template(restartPolicy="Never")),
            ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
            id="pods that end",
        ),
        pytest.param(
            workload("Deployment", strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
            ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
            id="a rollout that cannot move",
        ),
        pytest.param(
            workload("Deployment", strategy={"rollingUpdate": {"maxUnavailable": "110%"}}),
            ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "110%": must not be greater than 100%'],
            id="more than all",
        ),
        pytest.param(
            workload("Deployment", strategy={"type": "Recreate", "rollingUpdate": {}}),
            ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
            id="both strategies",
        ),
        pytest.param(
            workload("Deployment", minReadySeconds=600),
            ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
            id="a deadline before ready",
        ),
        pytest.param(
            workload("DaemonSet", updateStrategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}),
            ["spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"],
            id="a daemon set that surges and is unavailable",
        ),
        pytest.param(
            workload("Job", template=template()),
            ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
            id="a job whose pods always restart",
        ),
        pytest.param(
            workload("Job", completionMode="Indexed", parallelism=1),
            ["spec.completions: Required value: when completion mode is Indexed"],
            id="an indexed job without completions",
        ),
        pytest.param(
            workload("Deployment", strategy={"type": "Blue"}),
            ['spec.strategy: Unsupported value: {"Type":"Blue","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"'],
            id="an unknown strategy",
        ),
        pytest.param(
            workload("DaemonSet", selector={}, updateStrategy={"type": "Blue"}),
            [
                "spec.selector: Invalid value: {}: empty selector is invalid for daemonset",
                'spec.updateStrategy: Unsupported value: {"Type":"Blue","RollingUpdate":null}: '
                'supported values: "RollingUpdate", "OnDelete"',
            ],
            id="a daemon set of an unknown strategy that selects nothing",
        ),
        pytest.param(
            workload("DaemonSet", updateStrategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
            ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
            id="a daemon set that cannot move",
        ),
        pytest.param(
            workload("DaemonSet", template=template(activeDeadlineSeconds=1)),
            ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported"],
            id="daemons that end",
        ),
        pytest.param(workload("StatefulSet", **MOUNTED), [], id="a claim is mounted"),
        pytest.param(
            workload("StatefulSet", template=MOUNTED["template"]),
            ['spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"'],
            id="a claim that is not there is mounted",
        ),
        pytest.param(
            workload(
                "StatefulSet",
                podManagementPolicy="Fast",
                persistentVolumeClaimRetentionPolicy={"whenDeleted": "Burn"},
                ordinals={"start": -1},
                serviceName="a.b",
                updateStrategy={"rollingUpdate": {"maxUnavailable": 0}},
            ),
            [
                "spec.podManagementPolicy: Invalid value: \"Fast\": must be 'OrderedReady' or 'Parallel'",
                "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0",
                'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Burn": supported values: "Retain", "Delete"',
                "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0",
                'spec.serviceName: Invalid value: "a.b": must not contain dots',
            ],
            id="much wrong with a stateful set",
        ),
        pytest.param(cron(), [], id="the smallest cronjob"),
        pytest.param(
            cron("* * *"),
            ['spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]'],
            id="a short schedule",
        ),
        pytest.param(cron("@hourly"), [], id="a named schedule"),
        pytest.param(
            cron("@never"),
            ['spec.schedule: Invalid value: "@never": unrecognized descriptor: @never'],
            id="a schedule of an unknown name",
        ),
        pytest.param(
            cron(timeZone="Mars/Base"),
            ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'],
            id="an unknown time zone",
        ),
        pytest.param(
            cron(timeZone="Local"),
            ['spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'],
            id="the zone of the machine",
        ),
    ],
)
def test_everything_wrong_is_reported_in_upstreams_words(document: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(document) == expected


def set_selector(one: Any) -> None:
    one.spec.selector.matchLabels = {"app": "a", "x": "y"}
    one.spec.template.metadata.labels = {"app": "a", "x": "y"}


def set_replicas(one: Any) -> None:
    one.spec.replicas = 5


def set_service(one: Any) -> None:
    one.spec.serviceName = "other"


def set_image(one: Any) -> None:
    one.spec.template.spec.containers[0].image = "other"


@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        pytest.param("Deployment", set_replicas, "", id="scale a deployment"),
        pytest.param("Deployment", set_image, "", id="another image"),
        pytest.param("Deployment", set_selector, "field is immutable", id="another selector"),
        pytest.param("ReplicaSet", set_selector, "field is immutable", id="another selector of a replicaset"),
        pytest.param("StatefulSet", set_replicas, "", id="scale a statefulset"),
        pytest.param("StatefulSet", set_service, "field is immutable", id="another service"),
        pytest.param("Job", set_image, "field is immutable", id="another image of a job"),
    ],
)
def test_what_may_not_change(kind: str, change: Callable[[Any], None], expected: str) -> None:
    old = created(workload(kind))
    new = clone(old)
    change(new)
    found = " ".join(wrong_with_change(old, new))
    assert expected in found
    assert bool(found) == bool(expected)


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        pytest.param(
            "Deployment",
            {"replicas": 1, "readyReplicas": 1, "availableReplicas": 2},
            [
                "status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas",
                "status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas",
            ],
            id="more available than there are",
        ),
        pytest.param(
            "Deployment",
            {"unavailableReplicas": -1},
            ["status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0"],
            id="fewer missing than none",
        ),
        pytest.param(
            "StatefulSet",
            {"replicas": 2, "availableReplicas": 1},
            ["status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas"],
            id="available without being ready",
        ),
        pytest.param(
            "ReplicaSet",
            {"fullyLabeledReplicas": 1},
            ["status.fullyLabeledReplicas: Invalid value: 1: cannot be greater than status.replicas"],
            id="labels of more than there are",
        ),
        pytest.param(
            "DaemonSet",
            {"numberReady": -1},
            ["status.numberReady: Invalid value: -1: must be greater than or equal to 0"],
            id="fewer daemons than none",
        ),
    ],
)
def test_a_status_adds_up(kind: str, status: dict[str, int], expected: list[str]) -> None:
    old = created(workload(kind))
    new = clone(old)
    for field, value in status.items():
        setattr(new.status, field, value)
    assert wrong_with_status(old, new) == expected


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "StatefulSet"])
def test_the_count_of_collisions_never_goes_back(kind: str) -> None:
    old = created(workload(kind))
    old.status.collisionCount = 2
    new = clone(old)
    new.status.collisionCount = 1
    assert wrong_with_status(old, new) == ["status.collisionCount: Invalid value: 1: cannot be decremented"]


def test_a_stateful_set_keeps_how_many_pods_may_be_unavailable() -> None:
    one = created(workload("StatefulSet", updateStrategy={"rollingUpdate": {"maxUnavailable": 2, "partition": 1}}))
    assert msgspec.to_builtins(one.spec.updateStrategy.rollingUpdate) == {"maxUnavailable": 2, "partition": 1}


def test_a_daemon_set_counts_its_templates() -> None:
    def count(one: Any) -> str:
        return str(one.metadata.annotations["deprecated.daemonset.template.generation"])

    old = created(workload("DaemonSet"))
    same, other = clone(old), clone(old)
    same.metadata.annotations.clear()
    set_image(other)
    assert wrong_with_change(old, same) + wrong_with_change(old, other) == []
    assert [count(old), count(same), count(other)] == ["1", "1", "2"]
