"""What the status of a ValidatingAdmissionPolicy warns of, and which kinds it is checked against."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.catalogue import known
from pilothouse.api.expressions.structtypes import type_of
from pilothouse.api.expressions.typechecking import Kind, Kinds, check, kinds_of
from pilothouse.api.types.admissionregistration_v1 import ValidatingAdmissionPolicy
from pilothouse.cel.types import Type
from tests.unit.api.objects import created

DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["*"]}
PODS = {**DEPLOYMENTS, "apiGroups": [""], "resources": ["pods"]}


def policy(*expressions: str, rules: Any = (DEPLOYMENTS,), **spec: Any) -> ValidatingAdmissionPolicy:
    validations = [{"expression": each} for each in expressions]
    spec = {"validations": validations, "matchConstraints": {"resourceRules": list(rules)}, **spec}
    made: ValidatingAdmissionPolicy = created(
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"}, "spec": spec}
    )
    return made


def of_plural(group: str, version: str, plural: str) -> Kind | None:
    resource = known().by_plural(group, version, plural)
    return None if resource is None else Kind(group, version, resource.kind)


def of_kind(kind: Kind) -> Type | None:
    resource = known().by_kind(*kind)
    return None if resource is None else type_of(resource)


KINDS = Kinds(of_plural, of_kind)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([DEPLOYMENTS], ["apps/v1, Kind=Deployment"], id="one"),
        pytest.param([DEPLOYMENTS, PODS], ["/v1, Kind=Pod", "apps/v1, Kind=Deployment"], id="two"),
        pytest.param([{**DEPLOYMENTS, "resources": ["*"]}], [], id="all resources"),
        pytest.param([{**DEPLOYMENTS, "resources": ["deployments/status"]}], [], id="a subresource"),
        pytest.param([{**DEPLOYMENTS, "apiVersions": ["*"]}, DEPLOYMENTS], ["apps/v1, Kind=Deployment"], id="all versions"),
        pytest.param([{**DEPLOYMENTS, "resources": ["nothings"]}], [], id="unknown"),
        pytest.param(
            [{**PODS, "apiGroups": ["", "apps"], "resources": ["pods", "deployments", "services"]}],
            ["/v1, Kind=Pod", "/v1, Kind=Service", "apps/v1, Kind=Deployment"],
            id="a product",
        ),
    ],
)
def test_the_kinds_that_a_policy_is_checked_against(rules: list[dict[str, Any]], expected: list[str]) -> None:
    assert list(map(str, kinds_of(policy("true", rules=rules), KINDS))) == expected


def test_ten_kinds_at_the_most() -> None:
    plurals = [resource.plural for resource in known().resources() if resource.api_version == "v1" and resource.plural != "bindings"]
    assert len(plurals) > 10
    assert len(kinds_of(policy("true", rules=[{**PODS, "resources": plurals}]), KINDS)) == 10


@pytest.mark.parametrize(
    ("expression", "issue"),
    [
        pytest.param("object.spec.replicas > 1", "", id="a field"),
        pytest.param("object.spec.replicas > '1'", "1:22: found no matching overload for '_>_' applied to '(int, string)'", id="a type"),
        pytest.param("object.foo == 'bar'", "1:7: undefined field 'foo'", id="no such field"),
        pytest.param("oldObject.spec.foo == 'bar'", "1:15: undefined field 'foo'", id="of the old object"),
        pytest.param("object.spec.template.spec.containers.all(c, c.nme == 'x')", "1:46: undefined field 'nme'", id="of an item"),
        pytest.param("object.metadata.labels['a'] == 'b'", "", id="labels"),
        pytest.param("object.metadata.__namespace__ == 'n'", "", id="an escaped name"),
        pytest.param("object.spec.strategy.rollingUpdate.maxSurge == 1", "", id="a number or a text"),
        pytest.param("object.metadata.creationTimestamp < timestamp('2020-01-01T00:00:00Z')", "", id="a time"),
        pytest.param("authorizer.group('').resource('pods').check('get').allowed()", "", id="the authorizer"),
        pytest.param(
            "authorizer.allowed()",
            "1:19: found no matching overload for 'allowed' applied to 'kubernetes.authorization.Authorizer.()'",
            id="a wrong call",
        ),
        pytest.param("request.foo == 1", "1:8: undefined field 'foo'", id="of the request"),
        pytest.param("variables.number > 1 && variables.broken == 'x'", "", id="variables"),
        pytest.param(
            "variables.number == 'x'", "1:18: found no matching overload for '_==_' applied to '(int, string)'", id="a variable's type"
        ),
        pytest.param("variables.nothing", "1:10: undefined field 'nothing'", id="no such variable"),
    ],
)
def test_what_does_not_fit_a_deployment(expression: str, issue: str) -> None:
    variables = [{"name": "number", "expression": "object.spec.replicas"}, {"name": "broken", "expression": "object.foo"}]
    warnings = check(policy(expression, variables=variables), KINDS)
    if not issue:
        assert warnings == []
        return
    assert [warning.fieldRef for warning in warnings] == ["spec.validations[0].expression"]
    assert warnings[0].warning.startswith(f"apps/v1, Kind=Deployment: ERROR: <input>:{issue}\n | {expression}\n | ")
    assert warnings[0].warning.endswith("^\n")


def test_each_kind_and_each_expression_has_its_warning() -> None:
    two = policy("object.foo == 1", "object.spec.replicas == 1", rules=[DEPLOYMENTS, PODS])
    two.spec.validations[1].messageExpression = "object.bar"
    warnings = check(two, KINDS)
    assert [(warning.fieldRef, warning.warning.count("Kind=")) for warning in warnings] == [
        ("spec.validations[0].expression", 2),
        ("spec.validations[1].expression", 1),
        ("spec.validations[1].messageExpression", 2),
    ]
    assert warnings[0].warning.startswith("/v1, Kind=Pod: ERROR: <input>:1:7: undefined field 'foo'\n")
    assert "\n\napps/v1, Kind=Deployment: ERROR: " in warnings[0].warning


@pytest.mark.parametrize(
    ("kind", "expression", "count"),
    [
        pytest.param("ConfigMap", "params.data['a'] == 'b'", 0, id="a known kind"),
        pytest.param("ConfigMap", "params.foo == 'b'", 1, id="a wrong field"),
        pytest.param("Nothing", "params.foo == 'b'", 0, id="an unknown kind is dynamic"),
    ],
)
def test_params_have_the_type_of_their_kind(kind: str, expression: str, count: int) -> None:
    assert len(check(policy(expression, paramKind={"apiVersion": "v1", "kind": kind}), KINDS)) == count


def test_every_built_in_kind_has_a_type() -> None:
    """Kinds within themselves (the schema of a definition) have one, too."""
    assert all(type_of(resource) is not None for resource in known().resources())
