"""Schemas as types: what is visible, how it is named, converted, compared and merged; sizes for the estimate."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.cel import kubernetes
from pilothouse.cel.escaping import escape, unescape
from pilothouse.cel.schema import declared
from pilothouse.cel.types import ObjectType, Type
from tests.unit.cel.cases import Case, evaluated, read

TEXT = {"type": "string"}
CONDITIONS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": {"type": "object", "properties": {"type": TEXT, "at": {"type": "string", "format": "date-time"}, "n": {"type": "integer"}}},
}
SET = {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT}
NESTED = {
    "type": "object",
    "properties": {
        "a": {"type": "object", "properties": {"b": {"type": "integer"}}},
        **{"namespace": TEXT, "a-b": TEXT, "x.y/z": TEXT, "__q": TEXT},
        "maybe": {"type": "string", "nullable": True},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        **{"replicas": {"type": "integer"}, "ratio": {"type": "number"}, "name": {"type": "string", "maxLength": 10}},
        **{"when": {"type": "string", "format": "date-time"}, "day": {"type": "string", "format": "date"}},
        **{"span": {"type": "string", "format": "duration"}, "raw": {"type": "string", "format": "byte"}},
        **{"port": {"x-kubernetes-int-or-string": True}, "tags": SET, "tags2": SET, "plain": {"type": "array", "items": TEXT}},
        **{"conds": CONDITIONS, "conds2": CONDITIONS, "labels": {"type": "object", "additionalProperties": TEXT}},
        "times": {"type": "object", "additionalProperties": {"type": "string", "format": "date-time"}},
        **{"nested": NESTED, "unknown": {"x-kubernetes-preserve-unknown-fields": True}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        **{"flag": {"type": "boolean"}, "mode": {"type": "string", "enum": ["A", "Bcd"]}},
        "floats": {"type": "array", "items": {"type": "number"}},
        "emb": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
    },
}
OBJECT: dict[str, Any] = {
    **{"replicas": 3, "ratio": 2, "name": "web", "when": "2020-01-01T00:00:00Z", "day": "2020-01-02", "span": "1h30m", "raw": "aGk="},
    **{"port": 80, "tags": ["a", "b"], "tags2": ["b", "a"], "plain": ["a", "b"]},
    "conds": [{"type": "X", "at": "2020-01-01T00:00:00Z", "n": 1}, {"type": "Y", "n": 2}],
    "conds2": [{"type": "Y", "n": 2}, {"type": "X", "at": "2020-01-01T00:00:00Z", "n": 1}],
    **{"labels": {"a": "1", "b.c/d": "2"}, "times": {"t": "2020-01-01T00:00:00Z"}},
    "nested": {"a": {"b": 1}, "namespace": "ns", "a-b": "dash", "x.y/z": "dots", "__q": "u", "maybe": None},
    **{"unknown": {"p": 1}, "free": {"q": 1}, "flag": True, "mode": "A", "floats": [1, 2.5]},
    "emb": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": {"x": 1}},
}
SELF = declared(SCHEMA, name="Rootself")
assert SELF is not None
ENVIRONMENT = kubernetes.stored_expressions().extended({"self": SELF})


@pytest.mark.parametrize("case", [pytest.param(case, id=case.expression) for case in read("schema.tsv")])
def test_a_field_of_a_schema_has_its_type_value_and_cost(case: Case) -> None:
    assert evaluated(ENVIRONMENT, case.expression, activation={"self": OBJECT}) == case


@pytest.mark.parametrize(
    ("schema", "shown", "most"),
    [
        pytest.param({"type": "string"}, "string", 3145726, id="a text fills a request"),
        pytest.param({"type": "string", "maxLength": 5}, "string", 20, id="code points are up to four octets"),
        pytest.param({"type": "string", "enum": ["a", "bcd"]}, "string", 3, id="the longest of an enumeration"),
        pytest.param({"type": "string", "format": "byte", "maxLength": 5}, "bytes", 5, id="octets are counted as they are"),
        pytest.param({"type": "string", "format": "date"}, "timestamp", 12, id="date"),
        pytest.param({"type": "string", "format": "date-time"}, "timestamp", 32, id="date-time"),
        pytest.param({"type": "string", "format": "duration"}, "duration", 32, id="duration"),
        pytest.param({"type": "array", "items": {"type": "integer"}}, "list(int)", 1572863, id="items of one octet and a comma"),
        pytest.param({"type": "array", "items": {"type": "boolean"}, "maxItems": 7}, "list(bool)", 7, id="maxItems"),
        pytest.param({"type": "array", "items": {"type": "array", "items": TEXT}}, "list(list(string))", 1048575, id="lists of lists"),
        pytest.param({"type": "object", "additionalProperties": TEXT}, "map(string, string)", 393215, id="entries"),
        pytest.param({"type": "object", "additionalProperties": TEXT, "maxProperties": 3}, "map(string, string)", 3, id="maxProperties"),
        pytest.param({"x-kubernetes-int-or-string": True}, "dyn", 3145726, id="int or string"),
        pytest.param({"x-kubernetes-int-or-string": True, "maxLength": 2}, "dyn", 8, id="int or a short string"),
        pytest.param({"type": "array", "items": {"x-kubernetes-int-or-string": True}}, "list(dyn)", 1572863, id="list of int or string"),
    ],
)
def test_sizes_follow_from_bounds_or_from_what_a_request_holds(schema: dict[str, Any], shown: str, most: int) -> None:
    type_ = declared(schema)
    assert type_ is not None
    assert (str(type_), type_.max_elements) == (shown, most)


def test_required_fields_without_default_make_an_item_larger() -> None:
    item = {"type": "object", "required": ["name", "set"], "properties": {"name": TEXT, "set": {"type": "integer", "default": 1}}}
    type_ = declared({"type": "array", "items": item})
    assert type_ is not None
    assert type_.max_elements == (3 * 1024 * 1024 - 2) // (2 + len("name") + 2 + 4 + 1)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({}, id="nothing is said"),
        pytest.param({"x-kubernetes-preserve-unknown-fields": True}, id="unknown fields without a type"),
        pytest.param({"type": "array"}, id="a list of what is not said"),
        pytest.param({"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": True}}, id="a list of unknown fields"),
        pytest.param({"type": "object", "additionalProperties": {}}, id="a map of what is not said"),
    ],
)
def test_what_has_no_type_is_not_visible(schema: dict[str, Any]) -> None:
    assert declared(schema) is None


def _fields(type_: Type | None) -> dict[str, str]:
    assert isinstance(type_, ObjectType)
    return {name: str(field) for name, field in type_.fields.items()}


def test_the_root_of_a_resource_has_its_names() -> None:
    type_ = declared({"type": "object", "properties": {"metadata": {"type": "object"}, "spec": {"type": "object"}}}, is_root=True, name="R")
    assert _fields(type_) == {"metadata": "R.metadata", "spec": "R.spec", "kind": "string", "apiVersion": "string"}
    assert isinstance(type_, ObjectType)
    assert _fields(type_.fields["metadata"]) == {"name": "string", "generateName": "string"}


def test_metadata_with_both_names_stays_as_it_is() -> None:
    metadata = {
        "type": "object",
        "properties": {"name": TEXT, "generateName": TEXT, "labels": {"type": "object", "additionalProperties": TEXT}},
    }
    schema = {"type": "object", "properties": {"metadata": metadata, "kind": TEXT, "apiVersion": TEXT}}
    type_ = declared(schema, is_root=True, name="R")
    assert isinstance(type_, ObjectType)
    assert "labels" in _fields(type_.fields["metadata"])


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("a", "a"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
        ("as", "__as__"),
        ("int", "int"),
        ("9a", None),
        ("", None),
        ("a b", None),
        ("ä", None),
        ("-a", "__dash__a"),
    ],
)
def test_names_of_properties_are_escaped(name: str, escaped: str | None) -> None:
    assert escape(name) == escaped
    assert escaped is None or unescape(escaped) == name


@pytest.mark.parametrize("name", ["a__foo__b", "a__as__b"])
def test_other_sequences_mean_no_property(name: str) -> None:
    assert unescape(name) is None
