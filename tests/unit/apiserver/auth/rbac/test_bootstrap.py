"""The roles and bindings of a new cluster, beside those of a kube-apiserver 1.37 with its controllers (bootstrap-1.37.txt)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse import API_LEVELS
from pilothouse.api.types.rbac_v1 import PolicyRule
from pilothouse.apiserver.auth.rbac.bootstrap import bootstrap_objects

REFERENCE = Path(__file__).with_name("bootstrap-1.37.txt")


def told(obj: Any) -> Iterator[str]:
    """An object as the table tells it."""
    meta = obj.metadata
    yield f"{obj.kind} {meta.namespace + '/' if meta.namespace else ''}{meta.name}"
    yield from (f"  label {key}={value}" for key, value in sorted(meta.labels.items()))
    yield from (f"  annotation {key}={value}" for key, value in sorted(meta.annotations.items()))
    aggregation = getattr(obj, "aggregationRule", None)
    for selector in aggregation.clusterRoleSelectors if aggregation else ():
        yield "  aggregates " + ",".join(f"{key}={value}" for key, value in selector.matchLabels.items())
    yield from (f"  {told_rule(rule)}" for rule in getattr(obj, "rules", None) or ())
    if hasattr(obj, "roleRef"):
        yield f"  grants {obj.roleRef.kind} {obj.roleRef.name}"
        for subject in obj.subjects:
            yield f"  to {subject.kind} {subject.namespace + '/' if subject.namespace else ''}{subject.name}"


def told_rule(rule: PolicyRule) -> str:
    groups = " ".join(group or "core" for group in rule.apiGroups)
    where = " ".join(rule.nonResourceURLs) or f"{groups}: {' '.join(rule.resources)}"
    names = f" named {' '.join(rule.resourceNames)}" if rule.resourceNames else ""
    return f"{','.join(rule.verbs or ())} {where}{names}"


def by_object(lines: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if not line.startswith(" "):
            name = line
        found.setdefault(name, []).append(line)
    return found


def test_the_objects_are_those_of_the_reference() -> None:
    ours = [line for obj in bootstrap_objects("1.37") for line in told(obj)]
    assert by_object(ours) == by_object(REFERENCE.read_text().splitlines())


@pytest.mark.parametrize(
    ("level", "counts"),
    [("1.34", (68, 49, 7, 7)), ("1.35", (68, 49, 7, 7)), ("1.36", (69, 50, 7, 7)), ("1.37", (73, 54, 7, 7))],
)
def test_each_level_has_its_own(level: str, counts: tuple[int, ...]) -> None:
    kinds = Counter(obj.kind for obj in bootstrap_objects(level))
    assert tuple(kinds[kind] for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")) == counts


@pytest.mark.parametrize("level", API_LEVELS)
def test_every_binding_is_to_a_role_that_is_there(level: str) -> None:
    roles = {(obj.kind, obj.metadata.namespace, obj.metadata.name) for obj in bootstrap_objects(level)}
    for obj in bootstrap_objects(level):
        if hasattr(obj, "roleRef"):
            assert (obj.roleRef.kind, obj.metadata.namespace if obj.roleRef.kind == "Role" else "", obj.roleRef.name) in roles


RULES_BY_LEVEL = [
    ("system:kube-scheduler", "devicetaintrules", ("1.37",)),
    ("system:kube-scheduler", "resourceclaims/binding", ("1.36", "1.37")),
    ("system:node", "podcertificaterequests", ("1.37",)),
    ("system:controller:node-controller", "leases", ("1.37",)),
    ("system:controller:expand-controller", "services", ("1.34", "1.35")),
    ("system:controller:pvc-protection-controller", "persistentvolumeclaims/status", ("1.36", "1.37")),
    ("system::leader-locking-kube-scheduler", "configmaps", ("1.34",)),
]


@pytest.mark.parametrize(("role", "resource", "levels"), RULES_BY_LEVEL)
def test_rules_came_and_went_with_a_level(role: str, resource: str, levels: tuple[str, ...]) -> None:
    having = [
        level
        for level in API_LEVELS
        for obj in bootstrap_objects(level)
        if obj.metadata.name == role and any(resource in rule.resources for rule in getattr(obj, "rules", None) or ())
    ]
    assert sorted(having) == sorted(levels)


@pytest.mark.parametrize(("level", "groups"), [("1.34", [""]), ("1.35", ["", "events.k8s.io"])])
def test_events_of_both_groups_may_be_seen_since_1_35(level: str, groups: list[str]) -> None:
    view = next(obj for obj in bootstrap_objects(level) if obj.metadata.name == "view")
    assert [rule.apiGroups for rule in view.rules if "events" in rule.resources] == [groups]
