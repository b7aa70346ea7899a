"""CEL rules of custom resources: what is said of them when a definition is written, and what they say of objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.api.apiextensions.rules.running import RuleSet
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.structural import StructuralSchema
from tests.unit.api.apiextensions.test_definitions import definition, refused, spec_of

HEAD = {"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "x"}}
BASE = "spec.validation.openAPIV3Schema.properties[spec]"
ADVICE = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
FACTOR = f"budget by factor of more than 100x {ADVICE}"
INT: dict[str, Any] = {"type": "integer"}
SHORT: dict[str, Any] = {"type": "string", "maxLength": 5}


def spec(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A resource's schema whose spec has rules and fields."""
    return {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-validations": list(rules), "properties": fields}}}


def rule(expression: str, **more: Any) -> dict[str, Any]:
    return {"rule": expression, **more}


@pytest.mark.parametrize(
    ("schema", "problems"),
    [
        pytest.param(spec(rule("self.a > 1"), a=INT), [], id="right"),
        pytest.param(
            spec(rule("self.a", message="m"), a=INT),
            [
                f'{BASE}.x-kubernetes-validations[0].rule: Invalid value: {{"Rule":"self.a","Message":"m","MessageExpression":"",'
                '"Reason":null,"FieldPath":"","OptionalOldSelf":null}: cel expression must evaluate to a bool'
            ],
            id="no boolean",
        ),
        pytest.param(
            spec(rule("self.b > 1"), a=INT),
            [
                f'{BASE}.x-kubernetes-validations[0].rule: Invalid value: {{"Rule":"self.b \\u003e 1","Message":"","MessageExpression":"",'
                '"Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:5: undefined field \'b\'\n'
                " | self.b > 1\n | ....^"
            ],
            id="a field that is not in the schema",
        ),
        pytest.param(
            spec(l={"type": "array", "maxItems": 5, "items": SHORT | {"x-kubernetes-validations": [rule("self == oldSelf")]}}),
            [
                f'{BASE}.properties[l].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on '
                f"the uncorrelatable portion of the schema within {BASE}.properties[l]"
            ],
            id="a transition rule below an atomic list",
        ),
        pytest.param(
            spec(rule("self.a > 1", optionalOldSelf=True), a=INT),
            [f"{BASE}.x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"],
            id="an optional old value that nobody asks for",
        ),
        pytest.param(
            spec(rule("self.l.all(x, self.l.all(y, x == y))"), l={"type": "array", "items": {"type": "string"}}),
            [
                f"{BASE}.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds {FACTOR}",
                f"{BASE}.x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit "
                "for entire OpenAPIv3 schema",
                "spec.validation.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire "
                f"OpenAPIv3 schema exceeds {FACTOR}",
            ],
            id="too expensive",
        ),
        pytest.param(
            spec(a={"type": "integer", "default": 0, "x-kubernetes-validations": [rule("self > 0")]}),
            [f"{BASE}.properties[a].default: Invalid value: 0: failed rule: self > 0"],
            id="a default that breaks a rule",
        ),
        pytest.param(
            spec(rule("true", fieldPath=".zz"), rule(" "), rule("a\nb"), rule("true", reason="Foo"), a=INT),
            [
                f'{BASE}.x-kubernetes-validations[0].fieldPath: Invalid value: ".zz": must be a valid path',
                f"{BASE}.x-kubernetes-validations[1].rule: Required value: rule is not specified",
                f"{BASE}.x-kubernetes-validations[2].message: Required value: message must be specified if rule contains line breaks",
                f'{BASE}.x-kubernetes-validations[3].reason: Unsupported value: "Foo": supported values: "FieldValueDuplicate", '
                '"FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"',
            ],
            id="their form",
        ),
    ],
)
def test_rules_are_compiled_when_a_definition_is_written(schema: dict[str, Any], problems: list[str]) -> None:
    assert refused(definition(spec_of(schema))) == problems


RANGE = spec(
    rule("self.min <= self.max", message="min over max"),
    rule("self.min > 0", messageExpression="'got ' + string(self.min)", fieldPath=".min"),
    rule("self.max >= oldSelf.max", reason="FieldValueForbidden", fieldPath=".max"),
    min=INT | {"x-kubernetes-validations": [rule("oldSelf.hasValue() || self < 5", optionalOldSelf=True)]},
    max=INT,
)


@pytest.mark.parametrize(
    ("value", "old", "problems"),
    [
        pytest.param({"min": 1, "max": 2}, None, [], id="right"),
        pytest.param({"min": 3, "max": 2}, None, ["spec: Invalid value: min over max"], id="a message"),
        pytest.param({"min": 0, "max": 2}, None, ["spec.min: Invalid value: got 0"], id="a message expression, and a path"),
        pytest.param(
            {"min": 5, "max": 6}, None, ["spec.min: Invalid value: 5: failed rule: oldSelf.hasValue() || self < 5"], id="a new value"
        ),
        pytest.param({"min": 5, "max": 6}, {"min": 4, "max": 6}, [], id="a changed value"),
        pytest.param(
            {"min": 1, "max": 2}, {"min": 1, "max": 3}, ["spec.max: Forbidden: failed rule: self.max >= oldSelf.max"], id="a transition"
        ),
        pytest.param({"min": 3, "max": 2}, {"min": 3, "max": 2}, [], id="what did not change may stay wrong"),
        pytest.param({"max": 2}, None, ['spec: Invalid value: "object": no such key: min evaluating rule: min over max',
                                        'spec: Invalid value: "object": no such key: min evaluating rule: self.min > 0'], id="an error"),
    ],
)  # fmt: skip
def test_rules_are_run_on_objects(value: dict[str, Any], old: dict[str, Any] | None, problems: list[str]) -> None:
    found = Problems()
    RuleSet(StructuralSchema.of(RANGE)).validate(HEAD | {"spec": value}, found, None if old is None else HEAD | {"spec": old})
    assert [str(problem) for problem in found.found] == problems


OBJECTS = [json.loads(line) for line in (Path(__file__).parent / "objects.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", OBJECTS, ids=range(len(OBJECTS)))
def test_schemas_and_rules_say_of_objects_what_upstream_says(case: dict[str, Any]) -> None:
    """`objects.jsonl`: objects that were created and changed on kube-apiserver 1.37.2, some after their schema became stricter."""
    schema, value, problems = StructuralSchema.of(case["schema"]), HEAD | case["value"], Problems()
    old = HEAD | case["old"] if "old" in case else None
    schema.prune(value)
    schema.default(value)
    schema.validate(value, problems, old)
    RuleSet(schema).validate(value, problems, old)
    assert {str(problem) for problem in problems.found} == set(case["errors"])


def test_rules_are_not_run_on_an_object_that_its_schema_refuses() -> None:
    schema, value, problems = StructuralSchema.of(RANGE), HEAD | {"spec": {"min": "a", "max": 2}}, Problems()
    schema.validate(value, problems)
    RuleSet(schema).validate(value, problems)
    assert [str(problem) for problem in problems.found] == [
        'spec.min: Invalid value: "string": spec.min in body must be of type integer: "string"',
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to "
        "complete validation",
    ]


def test_an_evaluation_costs_at_most_its_budget() -> None:
    numbers = {"type": "array", "items": {"type": "integer"}}
    schema = StructuralSchema.of(spec(rule("self.l.all(x, self.l.all(y, self.l.all(z, x + y + z >= 0)))"), l=numbers))
    problems = Problems()
    RuleSet(schema).validate(HEAD | {"spec": {"l": list(range(1000))}}, problems)
    assert [str(problem) for problem in problems.found] == [
        "spec: Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due "
        "to call cost exceeds limit for rule: self.l.all(x, self.l.all(y, self.l.all(z, x + y + z >= 0)))"
    ]
