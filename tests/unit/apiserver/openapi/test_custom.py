"""Schemas of custom kinds as they are published in both versions of OpenAPI; recorded from apiextensions-apiserver's rules."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.apiserver.openapi.custom import GVK, object_fields, schemas_of
from pilothouse.machinery.unstructured import unstructured_resource

PRESERVES, EMBEDDED, INT_OR_STRING = (f"x-kubernetes-{name}" for name in ("preserve-unknown-fields", "embedded-resource", "int-or-string"))
EITHER = [{"type": "integer"}, {"type": "string"}]
FIELDS = object_fields({})
OBJECT = {name: FIELDS[name] for name in ("apiVersion", "kind", "metadata")}
Map = dict[str, Any]


def published(spec: Map, version: int) -> Map:
    """What is published of a field `spec`."""
    schema = {"type": "object", "properties": {"spec": spec}}
    resource = unstructured_resource("example.com", "v1", "Widget", "widgets", schema=schema)
    found: Map = schemas_of(resource, "com.example.v1.Widget", FIELDS, version=version)["com.example.v1.Widget"]
    assert found["properties"].keys() == {"spec", "apiVersion", "kind", "metadata"}
    spec_published: Map = found["properties"]["spec"]
    return spec_published


TEXT = {"type": "string"}
CASES: dict[str, tuple[Map, Map, Map]] = {
    "plain": ({"type": "string", "minLength": 1}, {"type": "string", "minLength": 1}, {"type": "string", "minLength": 1}),
    "a default": ({"type": "string", "default": "a"}, {"type": "string", "default": "a"}, {"type": "string"}),
    "int or string": ({INT_OR_STRING: True}, {INT_OR_STRING: True, "anyOf": EITHER}, {INT_OR_STRING: True}),
    "int or string, spelled out": (
        {INT_OR_STRING: True, "anyOf": EITHER},
        {INT_OR_STRING: True, "anyOf": EITHER},
        {INT_OR_STRING: True},
    ),
    "int or string, or else": (
        {INT_OR_STRING: True, "anyOf": [{"minLength": 1}]},
        {INT_OR_STRING: True, "anyOf": [{"minLength": 1}], "allOf": [{"anyOf": EITHER}]},
        {INT_OR_STRING: True},
    ),
    "nullable": (
        {"type": "object", "nullable": True, "properties": {"a": TEXT}},
        {"type": "object", "nullable": True, "properties": {"a": TEXT}},
        {},
    ),
    "open": (
        {"type": "object", PRESERVES: True, "properties": {"a": TEXT}},
        {"type": "object", PRESERVES: True, "properties": {"a": TEXT}},
        {PRESERVES: True},
    ),
    "required but nullable": (
        {"type": "object", "required": ["a", "b"], "properties": {"a": {**TEXT, "nullable": True}, "b": TEXT}},
        {"type": "object", "required": ["a", "b"], "properties": {"a": {**TEXT, "nullable": True}, "b": TEXT}},
        {"type": "object", "required": ["b"], "properties": {"a": {}, "b": TEXT}},
    ),
    "an embedded object": (
        {"type": "object", EMBEDDED: True, "properties": {"spec": TEXT}},
        {"type": "object", EMBEDDED: True, "properties": {"spec": TEXT, **OBJECT}, "required": ["kind", "apiVersion"]},
        {"type": "object", EMBEDDED: True, "properties": {"spec": TEXT, **OBJECT}, "required": ["kind", "apiVersion"]},
    ),
    "an open embedded object": (
        {"type": "object", EMBEDDED: True, PRESERVES: True},
        {"type": "object", EMBEDDED: True, PRESERVES: True, "properties": OBJECT, "required": ["kind", "apiVersion"]},
        {EMBEDDED: True, PRESERVES: True},
    ),
    "items": (
        {"type": "array", "items": {"type": "string", "default": "a"}},
        {"type": "array", "items": {"type": "string", "default": "a"}},
        {"type": "array", "items": TEXT},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_published(name: str) -> None:
    declared, third, second = CASES[name]
    assert (published(declared, 3), published(declared, 2)) == (third, second)


def test_a_kind_that_is_open_at_its_root_says_nothing_in_version_two() -> None:
    resource = unstructured_resource("example.com", "v1", "Widget", "widgets", schema={"type": "object", PRESERVES: True})
    own = schemas_of(resource, "com.example.v1.Widget", FIELDS, version=2)["com.example.v1.Widget"]
    assert own == {"type": "object", GVK: [{"group": "example.com", "version": "v1", "kind": "Widget"}]}


def test_the_list_and_the_selectable_fields() -> None:
    resource = unstructured_resource(
        "example.com", "v1", "Widget", "widgets", schema={"type": "object"}, selectable_fields={"spec.color": str}, list_kind="Widgets"
    )
    made = schemas_of(resource, "com.example.v1.Widget", FIELDS, version=3)
    assert made.keys() == {"com.example.v1.Widget", "com.example.v1.Widgets"}
    listed = made["com.example.v1.Widgets"]
    assert (listed["description"], listed["required"]) == ("Widgets is a list of Widget", ["items"])
    assert listed["properties"]["items"]["items"] == {"$ref": "com.example.v1.Widget"}
    for one in made.values():
        assert one["x-kubernetes-selectable-fields"] == [{"fieldPath": "spec.color"}]
