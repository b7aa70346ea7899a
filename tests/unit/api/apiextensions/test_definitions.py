"""Definitions of custom resources beside a real server's answers: what is refused, in which words, and what is warned of.

`definitions.jsonl` and `changes.jsonl` were made with kube-apiserver 1.37.2, which visits fields at random: problems are compared as sets.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.api.apiextensions.customresourcedefinition import CUSTOMRESOURCEDEFINITION
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.problems import Problems

CASES = [json.loads(line) for line in (Path(__file__).parent / "definitions.jsonl").read_text().splitlines()]
CHANGES = [json.loads(line) for line in (Path(__file__).parent / "changes.jsonl").read_text().splitlines()]
GOOD: dict[str, Any] = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}}


def definition(
    spec: dict[str, Any], metadata: dict[str, Any] | None = None, status: dict[str, Any] | None = None
) -> CustomResourceDefinition:
    """A definition as it is decoded and defaulted."""
    head = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"} | (metadata or {}),
    }
    made: CustomResourceDefinition = codec.decode(
        json.dumps(head | {"spec": spec} | ({"status": status} if status else {})).encode(), CUSTOMRESOURCEDEFINITION
    ).object
    for default in CUSTOMRESOURCEDEFINITION.defaults:
        default(made)
    return made


def spec_of(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The spec of a kind Foo with one version of this schema."""
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {"group": "example.com", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"}, "versions": [version]} | more


def refused(made: CustomResourceDefinition) -> list[str]:
    problems = Problems()
    for validate in CUSTOMRESOURCEDEFINITION.create_validators:
        validate(made, problems)
    return [str(problem) for problem in problems.found]


def refused_change(old: CustomResourceDefinition, new: CustomResourceDefinition) -> list[str]:
    problems = Problems()
    new.status = old.status
    for validate in CUSTOMRESOURCEDEFINITION.update_validators:
        validate(old, new, problems)
    return [str(problem) for problem in problems.found]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_a_definition_is_refused_and_warned_of_as_upstream_does(case: dict[str, Any]) -> None:
    made = definition(case["spec"], case.get("metadata"))
    assert sorted(refused(made)) == sorted(case["errors"])
    if not case["errors"]:
        assert sorted(text for warn in CUSTOMRESOURCEDEFINITION.warners for text in warn(made, None)) == sorted(case.get("warnings", []))


@pytest.mark.parametrize("case", CHANGES, ids=range(len(CHANGES)))
def test_a_change_is_refused_as_upstream_does(case: dict[str, Any]) -> None:
    annotations = {"annotations": case["annotations"]} if "annotations" in case else {}
    new = definition(case["new"], annotations)
    assert set(refused_change(definition(case["old"], status=case["status"]), new)) == set(case["errors"])


ESTABLISHED = {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1"]}


@pytest.mark.parametrize(
    ("old", "new", "status", "errors"),
    [
        pytest.param(spec_of(GOOD), spec_of(GOOD), ESTABLISHED, [], id="nothing changes"),
        pytest.param(
            spec_of(GOOD),
            spec_of(GOOD, scope="Cluster"),
            ESTABLISHED,
            ['spec.scope: Invalid value: "Cluster": field is immutable'],
            id="scope",
        ),
        pytest.param(spec_of(GOOD), spec_of(GOOD, scope="Cluster"), {"storedVersions": ["v1"]}, [], id="scope before it is established"),
        pytest.param(
            spec_of(GOOD),
            spec_of(GOOD, names={"plural": "bars", "kind": "Foo"}),
            {"storedVersions": ["v1"]},
            ['spec.names.plural: Invalid value: "bars": field is immutable'],
            id="plural",
        ),
        pytest.param(
            spec_of(GOOD),
            spec_of(GOOD),
            {"storedVersions": ["v1beta1", "v1"]},
            [
                'status.storedVersions[0]: Invalid value: "v1beta1": missing from spec.versions; v1beta1 was previously a storage version, '
                "and must remain in spec.versions until a storage migration ensures no data remains persisted in v1beta1 and removes "
                "v1beta1 from status.storedVersions"
            ],
            id="a version in which objects may be stored is taken away",
        ),
        pytest.param(
            spec_of(GOOD | {"x-kubernetes-preserve-unknown-fields": True}, preserveUnknownFields=True),
            spec_of(GOOD, preserveUnknownFields=True),
            ESTABLISHED,
            [],
            id="what preserves unknown fields may go on",
        ),
        pytest.param(
            spec_of(GOOD),
            spec_of(GOOD, preserveUnknownFields=True),
            ESTABLISHED,
            [
                "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                "spec.versions[*].schema instead"
            ],
            id="and nobody begins to",
        ),
    ],
)
def test_a_change_of_a_definition_is_refused_where_upstream_refuses_it(
    old: dict[str, Any], new: dict[str, Any], status: dict[str, Any], errors: list[str]
) -> None:
    assert refused_change(definition(old, status=status), definition(new)) == errors


def test_lists_and_maps_that_were_wrong_before_their_rules_came_may_stay_wrong() -> None:
    items = {"type": "object", "properties": {"name": {"type": "string"}}}
    wrong = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    schema = {"type": "object", "properties": {"spec": wrong}}
    assert refused(definition(spec_of(schema)))
    assert refused_change(definition(spec_of(schema), status=ESTABLISHED), definition(spec_of(schema))) == []


def test_a_definition_shows_its_scope_and_its_served_versions() -> None:
    columns = {column.name: column.value for column in CUSTOMRESOURCEDEFINITION.columns or ()}
    made = definition(spec_of(GOOD), status=ESTABLISHED)
    assert (columns["Scope"](made), columns["Versions"](made), columns["Established"](made)) == ("Namespaced", "v1(storage)", True)


UNREADABLE = 'CustomResourceDefinition in version "v1" cannot be handled as a CustomResourceDefinition: '
BELOW = "JSONSchemaProps.spec.versions.schema.openAPIV3Schema.properties"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"items": {"type": 5}}, f"json: cannot unmarshal number into Go struct field {BELOW}.items.type of type string"),
        (
            {"items": {"properties": {"a": 5}}},
            f"json: cannot unmarshal number into Go struct field {BELOW}.items.properties of type v1.JSONSchemaProps",
        ),
        ({"additionalProperties": "x"}, "boolean or JSON schema expected"),
        ({"items": [5]}, f"json: cannot unmarshal number into Go struct field {BELOW}.items of type v1.JSONSchemaProps"),
    ],
)
def test_a_schema_below_items_is_read_as_those_around_it(part: dict[str, Any], message: str) -> None:
    with pytest.raises(StatusError) as refusal:
        definition(spec_of({"type": "object", "properties": {"a": part}}))
    assert refusal.value.status.message == UNREADABLE + message


def test_unknown_fields_below_items_are_taken_out() -> None:
    made = definition(spec_of({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string", "foo": 1}}}}))
    schema = (made.spec.versions or [])[0].schema
    assert schema is not None
    assert schema.openAPIV3Schema is not None
    assert schema.openAPIV3Schema.properties["a"].items == {"type": "string"}
