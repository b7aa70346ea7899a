"""A schema with a field of each sort, and two objects of it, for the tables of estimates."""

from __future__ import annotations

from typing import Any

from pilothouse.cel import schema
from pilothouse.cel.types import Type

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string", "maxLength": 10}, "maxItems": 5},
        "namespace": {"type": "string", "maxLength": 5},
        "u": {"type": "string"},
        "e": {"type": "string", "enum": ["a", "bbb"]},
        "i": {"type": "integer"},
        "d": {"type": "number"},
        "b": {"type": "boolean"},
        "io": {"x-kubernetes-int-or-string": True},
        "io2": {"x-kubernetes-int-or-string": True, "maxLength": 7},
        "by": {"type": "string", "format": "byte"},
        "byl": {"type": "string", "format": "byte", "maxLength": 6},
        "du": {"type": "string", "format": "duration"},
        "da": {"type": "string", "format": "date"},
        "dt": {"type": "string", "format": "date-time"},
        "uuid": {"type": "string", "format": "uuid"},
        "la": {"type": "array", "items": {"type": "string"}},
        "li": {"type": "array", "items": {"type": "integer"}},
        "lo": {
            "type": "array",
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "v": {"type": "integer"}}},
        },
        "ll": {"type": "array", "maxItems": 3, "items": {"type": "array", "items": {"type": "string", "maxLength": 3}}},
        "ma": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 8}},
        "mm": {"type": "object", "maxProperties": 4, "additionalProperties": {"type": "object", "properties": {"x": {"type": "integer"}}}},
        "m": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {
                "type": "object",
                "required": ["k"],
                "properties": {"k": {"type": "string"}, "v": {"type": "integer"}, "t": {"type": "string", "format": "date-time"}},
            },
        },
        "a-b": {"type": "string"},
        "a.b/c": {"type": "integer"},
        "__x": {"type": "string"},
        "9x": {"type": "string"},
        "o": {
            "type": "object",
            "required": ["p", "q"],
            "properties": {
                "p": {"type": "string", "default": "x"},
                "q": {"type": "string"},
                "r": {"type": "object", "properties": {"z": {"type": "boolean"}}},
            },
        },
        "pu": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "nn": {"type": "string", "nullable": True},
        "em": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"spec": {"type": "object", "properties": {"r": {"type": "integer"}}}},
        },
        "lt": {"type": "array", "items": {"type": "string", "format": "date-time"}},
        "md": {"type": "object", "additionalProperties": {"type": "number"}},
        "lx": {"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": True}},
    },
}
SELF: dict[str, Any] = {
    "s": ["a", "b"],
    "namespace": "x",
    "u": "hello",
    "e": "a",
    "i": 5,
    "d": 2,
    "b": True,
    "io": "5%",
    "io2": 3,
    "by": "aGk=",
    "byl": "aGk=",
    "du": "1h30m",
    "da": "2020-01-02",
    "dt": "2020-01-02T03:04:05.123456789+01:00",
    "uuid": "x",
    "la": ["x", "yy"],
    "li": [3, 1],
    "lo": [{"name": "n1", "v": 1}, {"name": "n2"}],
    "ll": [["a"], ["b", "c"]],
    "ma": {"k1": "v1", "k2": "v2"},
    "mm": {"a": {"x": 1}},
    "m": [{"k": "a", "v": 1, "t": "2020-01-01T00:00:00Z"}, {"k": "b", "v": 2}],
    "a-b": "dash",
    "a.b/c": 7,
    "__x": "under",
    "o": {"q": "qq", "r": {"z": True}},
    "pu": {"any": 1},
    "nn": None,
    "em": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "labels": {"a": "b"}}, "spec": {"r": 1}},
    "lt": ["2020-01-01T00:00:00Z"],
    "md": {"a": 1, "b": 2.5},
    "lx": [{"a": 1}],
}
OLD_SELF: dict[str, Any] = {
    **SELF,
    "s": SELF["s"][::-1],
    "m": SELF["m"][::-1],
    "dt": "2020-01-02T02:04:05.123456789Z",
}
"""Equal to SELF for CEL: the order of a set and of a map list, and the zone of a time, make no difference."""
RESOURCE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"replicas": {"type": "integer"}, "name": {"type": "string", "maxLength": 20}}},
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 7}}},
    },
    "required": ["spec", "metadata"],
}
OBJECT: dict[str, Any] = {
    "apiVersion": "g/v1",
    "kind": "K",
    "metadata": {"name": "nm", "generateName": "nm-"},
    "spec": {"replicas": 1, "name": "x"},
}


def type_of(of: dict[str, Any], is_root: bool = False) -> Type:
    """The type that rules of a schema see."""
    declared = schema.declared(of, is_root, "selfType")
    assert declared is not None
    return declared
