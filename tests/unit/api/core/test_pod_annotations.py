"""Annotations that mean something of a Pod, and fields that are not for its operating system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Pod
from pilothouse.machinery.codec import clone
from tests.unit.api.objects import created, wrong_with, wrong_with_change, wrong_with_status

MIRROR = "kubernetes.io/config.mirror"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/a"


def pod(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    spec.setdefault("containers", [{"name": "a", "image": "b"}])
    metadata = {"name": "p", "namespace": "n", "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(pod({MIRROR: "x"}, nodeName="n"), [], id="a mirror on its node"),
        pytest.param(
            pod({MIRROR: "x"}),
            [f'metadata.annotations[{MIRROR}]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set'],
            id="a mirror without a node",
        ),
        pytest.param(
            pod({"seccomp.security.alpha.kubernetes.io/pod": "mine"}),
            ['metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: "mine": must be a valid seccomp profile'],
            id="an unknown seccomp profile",
        ),
        pytest.param(
            pod({"container.apparmor.security.beta.kubernetes.io/b": "mine"}),
            [
                'metadata.annotations[container.apparmor.security.beta.kubernetes.io/b]: Invalid value: "b": container not found',
                "metadata.annotations[container.apparmor.security.beta.kubernetes.io/b]: Invalid value: "
                '"mine": invalid AppArmor profile name: "mine"',
            ],
            id="an unknown AppArmor profile of an unknown container",
        ),
        pytest.param(pod({APPARMOR: "localhost/x"}), [], id="a local AppArmor profile"),
        pytest.param(
            pod(
                os={"name": "windows"},
                hostPID=True,
                securityContext={"runAsUser": 1, "sysctls": [{"name": "kernel.shm", "value": "1"}]},
                containers=[{"name": "a", "image": "b", "securityContext": {"privileged": False}}],
            ),
            [
                "spec.hostPID: Forbidden: cannot be set for a windows pod",
                "spec.securityContext.sysctls: Forbidden: cannot be set for a windows pod",
                "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
                "spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod",
            ],
            id="what Windows does not have",
        ),
        pytest.param(
            pod(
                os={"name": "linux"},
                containers=[{"name": "a", "image": "b", "securityContext": {"windowsOptions": {"hostProcess": False}}}],
            ),
            ["spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"],
            id="what Linux does not have",
        ),
        pytest.param(
            pod(os={"name": "plan9"}), ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'], id="another system"
        ),
    ],
)
def test_what_is_wrong(document: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(document) == expected


def without(key: str) -> Callable[[Pod], None]:
    return lambda one: one.metadata.annotations.pop(key, None) and None


def saying(key: str) -> Callable[[Pod], None]:
    return lambda one: one.metadata.annotations.update({key: "runtime/default"})


@pytest.mark.parametrize(
    ("annotations", "change", "expected"),
    [
        pytest.param({MIRROR: "x"}, without(MIRROR), [f"[{MIRROR}]: Forbidden: may not remove or update mirror pod annotation"], id="gone"),
        pytest.param({MIRROR: "x"}, saying(MIRROR), [f"[{MIRROR}]: Forbidden: may not remove or update mirror pod annotation"], id="other"),
        pytest.param({}, saying(MIRROR), [f"[{MIRROR}]: Forbidden: may not add mirror pod annotation"], id="new"),
        pytest.param({}, saying(APPARMOR), [f"[{APPARMOR}]: Forbidden: may not add AppArmor annotations"], id="a profile"),
        pytest.param({"a": "b"}, without("a"), [], id="any other"),
    ],
)
def test_a_pod_does_not_become_a_mirror_or_cease_to_be_one(
    annotations: dict[str, str], change: Callable[[Pod], None], expected: list[str]
) -> None:
    old = created(pod(annotations, nodeName="n"))
    new = clone(old)
    change(new)
    told = [f"metadata.annotations{one}" for one in expected]
    assert wrong_with_change(old, new) == told
    assert wrong_with_status(old, clone(new)) == told


def test_label_keys_become_requirements_where_there_is_a_selector() -> None:
    term = {"topologyKey": "zone", "matchLabelKeys": ["app"]}
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["app", "gone"]}
    document = pod(
        affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term, {**term, "labelSelector": {}}]}},
        topologySpreadConstraints=[{**spread, "labelSelector": {"matchLabels": {"a": "b"}}}],
    )
    document["metadata"]["labels"] = {"app": "x"}
    one = created(document)
    without_selector, with_selector = one.spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution
    assert without_selector.labelSelector is None
    for selector in (with_selector.labelSelector, one.spec.topologySpreadConstraints[0].labelSelector):
        assert [(made.key, made.operator, made.values) for made in selector.matchExpressions] == [("app", "In", ["x"])]
    one.spec.topologySpreadConstraints[0].labelSelector.matchLabels = {"app": "x"}
    where = "spec.topologySpreadConstraints[0].matchLabelKeys[0]"
    assert f'{where}: Invalid value: "app": exists in both matchLabelKeys and labelSelector' in wrong_with_change(one, clone(one))
