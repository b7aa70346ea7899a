"""What a start makes of roles and bindings that are there already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.api.types.rbac_v1 import AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject
from pilothouse.apiserver.auth.rbac.bootstrap import AUTO_UPDATE
from pilothouse.apiserver.auth.rbac.reconciliation import reconciled
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta

LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def rule(verbs: str, resources: str) -> PolicyRule:
    return PolicyRule(verbs=verbs.split(), apiGroups=[""], resources=resources.split())


def role(*rules: PolicyRule, uid: str = "", aggregates: str = "") -> ClusterRole:
    meta = ObjectMeta(name="r", uid=uid, labels=dict(LABELS), annotations={AUTO_UPDATE: "true"})
    selectors = [LabelSelector(matchLabels={"to": each}) for each in aggregates.split()]
    return ClusterRole(
        metadata=meta, rules=[*rules] or None, aggregationRule=AggregationRule(clusterRoleSelectors=selectors) if selectors else None
    )


def binding(*users: str, to: str = "r", uid: str = "") -> ClusterRoleBinding:
    meta = ObjectMeta(name="b", uid=uid, labels=dict(LABELS), annotations={AUTO_UPDATE: "true"})
    subjects = [Subject(kind="User", name=name, apiGroup="rbac.authorization.k8s.io") for name in users]
    return ClusterRoleBinding(
        metadata=meta, roleRef=RoleRef(apiGroup="rbac.authorization.k8s.io", kind="ClusterRole", name=to), subjects=subjects
    )


def without_labels(obj: Any) -> Any:
    obj.metadata.labels = {"mine": "yes"}
    return obj


def said(value: str, obj: Any) -> Any:
    obj.metadata.annotations = {AUTO_UPDATE: value}
    return obj


EXPECTED = role(rule("get list", "pods"), rule("watch", "nodes"))


@pytest.mark.parametrize(
    ("existing", "rules"),
    [
        pytest.param(role(*(EXPECTED.rules or ()), uid="1"), None, id="what is right stays"),
        pytest.param(role(rule("*", "*"), uid="1"), None, id="what covers it stays"),
        pytest.param(role(rule("list get", "pods"), rule("watch", "nodes"), uid="1"), None, id="the order means nothing"),
        pytest.param(
            role(rule("get", "pods"), uid="1"),
            [rule("get", "pods"), rule("list", "pods"), rule("watch", "nodes")],
            id="what is missing comes back, broken down",
        ),
        pytest.param(role(rule("delete", "pods"), *(EXPECTED.rules or ()), uid="1"), None, id="what others added stays"),
        pytest.param(role(uid="1"), [rule("get", "pods"), rule("list", "pods"), rule("watch", "nodes")], id="an empty role"),
        pytest.param(said("false", role(uid="1")), None, id="one that is not to be touched"),
        pytest.param(
            said("no", role(uid="1")), [rule("get", "pods"), rule("list", "pods"), rule("watch", "nodes")], id="only false means no"
        ),
    ],
)
def test_rules(existing: ClusterRole, rules: list[PolicyRule] | None) -> None:
    wanted = reconciled(existing, EXPECTED)
    assert (wanted.rules if wanted is not None else None) == rules


def test_labels_and_annotations_are_added_and_those_of_others_win() -> None:
    existing = without_labels(role(*(EXPECTED.rules or ()), uid="1"))
    existing.metadata.annotations = {AUTO_UPDATE: "maybe"}
    wanted = reconciled(existing, EXPECTED)
    assert wanted is not None
    assert wanted.metadata.labels == {"mine": "yes", **LABELS}
    assert wanted.metadata.annotations == {AUTO_UPDATE: "maybe"}


@pytest.mark.parametrize(
    ("existing", "expected", "selectors", "rules"),
    [
        pytest.param(
            role(rule("get", "x"), uid="1", aggregates="a"), role(aggregates="a"), None, None, id="its rules are the controller's"
        ),
        pytest.param(role(uid="1", aggregates="mine"), role(aggregates="a"), ["mine", "a"], None, id="selectors are added"),
        pytest.param(role(rule("get", "x"), uid="1"), role(aggregates="a"), ["a"], [rule("get", "x")], id="one becomes aggregated"),
        pytest.param(role(rule("get", "x"), uid="1", aggregates="a"), role(rule("get", "x")), [], [rule("get", "x")], id="one is no more"),
    ],
)
def test_aggregated_roles(
    existing: ClusterRole, expected: ClusterRole, selectors: list[str] | None, rules: list[PolicyRule] | None
) -> None:
    wanted = reconciled(existing, expected)
    if selectors is None:
        assert wanted is None
        return
    assert wanted is not None
    found = wanted.aggregationRule.clusterRoleSelectors if wanted.aggregationRule else []
    assert [selector.matchLabels["to"] for selector in found] == selectors
    assert wanted.rules == rules


@pytest.mark.parametrize(
    ("existing", "check"),
    [
        pytest.param(binding("a", uid="1"), lambda wanted: wanted is None, id="what is right stays"),
        pytest.param(binding("b", uid="1"), lambda wanted: [one.name for one in wanted.subjects] == ["b", "a"], id="a subject comes back"),
        pytest.param(binding("a", "b", uid="1"), lambda wanted: wanted is None, id="others stay"),
        pytest.param(
            binding("b", to="x", uid="1"),
            lambda wanted: wanted.roleRef.name == "r" and wanted.metadata.uid == "" and [one.name for one in wanted.subjects] == ["a"],
            id="another role: made anew",
        ),
        pytest.param(said("false", binding("b", to="x", uid="1")), lambda wanted: wanted is None, id="one that is not to be touched"),
    ],
)
def test_bindings(existing: ClusterRoleBinding, check: Callable[[Any], bool]) -> None:
    assert check(reconciled(existing, binding("a")))
