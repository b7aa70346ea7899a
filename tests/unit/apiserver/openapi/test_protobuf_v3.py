"""OpenAPI version 3 as protobuf: what each key of a schema becomes, by the field numbers of gnostic's OpenAPIv3.proto."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.api import catalogue
from pilothouse.apiserver.openapi import protobuf_v3, v3
from pilothouse.apiserver.openapi.operations import PATCH_TYPES

RESOURCES = catalogue.resources()
SCHEMAS = {
    "nothing": ({}, []),
    "texts": ({"type": "string", "description": "d", "format": "f"}, [(25, b"string"), (34, b"d"), (35, b"f")]),
    "flags": ({"nullable": True, "uniqueItems": True, "readOnly": False}, [(1, 1), (20, 1)]),
    "numbers": ({"minimum": 1.5, "maximum": 2}, [(12, 2.0), (14, 1.5)]),
    "counts": ({"maxLength": 300, "minItems": 1}, [(15, 300), (19, 1)]),
    "required": ({"required": ["a", "b"]}, [(23, b"a"), (23, b"b")]),
    "enum": ({"enum": ["a"]}, [(24, b'\x12\x04"a"\n')]),
    "all of a reference": ({"allOf": [{"$ref": "x"}]}, [(26, b"\x12\x03\x0a\x01x")]),
    "alternatives": (
        {"oneOf": [{"type": "a"}], "anyOf": [{"type": "b"}]},
        [(27, b"\x0a\x04\xca\x01\x01a"), (28, b"\x0a\x04\xca\x01\x01b")],
    ),
    "not": ({"not": {"type": "a"}}, [(29, b"\xca\x01\x01a")]),
    "items": ({"items": {"$ref": "x"}}, [(30, b"\x0a\x05\x12\x03\x0a\x01x")]),
    "properties": ({"properties": {"p": {"$ref": "x"}}}, [(31, b"\x0a\x0a\x0a\x01p\x12\x05\x12\x03\x0a\x01x")]),
    "other properties": ({"additionalProperties": {"$ref": "x"}}, [(32, b"\x0a\x05\x12\x03\x0a\x01x")]),
    "no other properties": ({"additionalProperties": False}, [(32, b"\x10\x00")]),
    "default text": ({"default": "a"}, [(33, b"\x1a\x01a")]),
    "default number": ({"default": 0}, [(33, b"\x09" + struct.pack("<d", 0))]),
    "default truth": ({"default": False}, [(33, b"\x10\x00")]),
    "default object": ({"default": {}}, [(33, b"")]),
    "extension": ({"x-kubernetes-list-type": "map"}, [(36, b'\x0a\x16x-kubernetes-list-type\x12\x08\x12\x06"map"\n')]),
}


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: number and value."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
            yield key >> 3, value
        elif key & 7 == 1:
            yield key >> 3, struct.unpack("<d", data[at : at + 8])[0]
            at += 8
        else:
            size, at = varint(data, at)
            yield key >> 3, data[at : at + size]
            at += size


def names(data: bytes, number: int) -> list[str]:
    """The names in a map."""
    return [dict(fields(value))[1].decode() for key, value in fields(data) if key == number]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema(name: str) -> None:
    schema, expected = SCHEMAS[name]
    assert sorted(fields(protobuf_v3.schema(schema)), key=lambda field: field[0]) == expected


@pytest.mark.parametrize("name", sorted({(one.group, one.version) for one in RESOURCES}))
def test_a_document_has_all_paths_and_schemas(name: tuple[str, str]) -> None:
    document = v3.document(RESOURCES, *name)
    written = dict(fields(protobuf_v3.encode(document)))
    assert (written[1], sorted(written)) == (b"3.0.0", [1, 2, 4, 5])
    assert names(written[4], 1) == list(document["paths"])
    assert names(dict(fields(written[5]))[1], 1) == list(document["components"]["schemas"])


def test_an_operation_has_its_parameters_body_and_answers() -> None:
    document = v3.document(RESOURCES, "apps", "v1")
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    written = list(fields(protobuf_v3.operation(patch)))
    assert [number for number, _ in written if number != 6] == [1, 5, 7, 8, 13, 13]
    parameters = [dict(fields(dict(fields(value))[1])) for number, value in written if number == 6]
    assert [(one[1].decode(), one[2].decode()) for one in parameters] == [(one["name"], one["in"]) for one in patch["parameters"]]
    body = dict(fields(dict(fields(dict(written)[7]))[1]))
    assert names(body[2], 1) == list(PATCH_TYPES)
    assert (names(dict(written)[8], 2), body[3]) == (["200"], 1)
