"""OpenAPI version 2 in the protobuf form of gnostic (openapi.v2.Document), which kubectl before 1.27 insists on.

A writer for exactly the parts that our document has; the field numbers are those of gnostic's OpenAPIv2.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

VARINT, BYTES = 0, 2
OPERATION_FIELDS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
SCHEMA_KEYS = frozenset(
    ("$ref", "format", "description", "default", "required", "enum", "additionalProperties", "type", "items", "allOf", "properties")
)


def encode(document: dict[str, Any]) -> bytes:
    """The bytes of a Document."""
    paths = (path(name, item) for name, item in document["paths"].items())
    return document_of(document, paths, (definition(name, one) for name, one in document["definitions"].items()))


def document_of(head: dict[str, Any], paths: Iterable[bytes], definitions: Iterable[bytes]) -> bytes:
    """A Document of paths and definitions that are encoded already."""
    info = text(1, head["info"]["title"]) + text(2, head["info"]["version"])
    return text(1, head["swagger"]) + part(2, info) + part(8, b"".join(paths)) + part(9, b"".join(definitions))


def path(name: str, item: dict[str, Any]) -> bytes:
    """A path with its operations, as a member of a Document."""
    return part(2, text(1, name) + part(2, path_item(item)))


def definition(name: str, one: dict[str, Any]) -> bytes:
    """A schema with its name, as a member of a Document."""
    return part(1, text(1, name) + part(2, schema(one)))


def path_item(item: dict[str, Any]) -> bytes:
    return b"".join(part(OPERATION_FIELDS[method], operation(one)) for method, one in item.items())


def operation(one: dict[str, Any]) -> bytes:
    answers = b"".join(
        part(1, text(1, code) + part(2, part(1, text(1, answer["description"]) + part(2, part(1, schema(answer["schema"]))))))
        for code, answer in one["responses"].items()
    )
    return b"".join(
        (
            texts(1, one["tags"]),
            text(5, one["operationId"]),
            texts(6, one["produces"]),
            texts(7, one["consumes"]),
            b"".join(part(8, part(1, parameter(each))) for each in one["parameters"]),
            part(9, answers),
            extensions(13, one),
        )
    )


def parameter(one: dict[str, Any]) -> bytes:
    """A Parameter: in the body, in the query or in the path."""
    if one["in"] == "body":
        return part(1, text(2, "body") + text(3, "body") + flag(4, one["required"]) + part(5, schema(one["schema"])))
    head = flag(1, one.get("required", False)) + text(2, one["in"]) + text(3, one.get("description", "")) + text(4, one["name"])
    if one["in"] == "query":
        return part(2, part(3, head + text(6, one["type"]) + flag(20, True)))
    return part(2, part(4, head + text(5, one["type"]) + flag(19, True)))


def schema(one: dict[str, Any]) -> bytes:
    """A Schema."""
    found = [text(1, one.get("$ref", "")), text(2, one.get("format", "")), text(4, one.get("description", ""))]
    if "default" in one:
        found.append(part(5, anything(one["default"])))
    found.append(texts(19, one.get("required", ())))
    found += [part(20, anything(value)) for value in one.get("enum", ())]
    if isinstance(additional := one.get("additionalProperties"), dict):
        found.append(part(21, part(1, schema(additional))))
    if "type" in one:
        found.append(part(22, text(1, one["type"])))
    if "items" in one:
        found.append(part(23, part(1, schema(one["items"]))))
    found += [part(24, schema(each)) for each in one.get("allOf", ())]
    if "properties" in one:
        properties = (part(1, text(1, name) + part(2, schema(each))) for name, each in one["properties"].items())
        found.append(part(25, b"".join(properties)))
    found.append(extensions(31, one))
    return b"".join(found)


def extensions(number: int, one: dict[str, Any]) -> bytes:
    """The `x-` keys, as repeated NamedAny."""
    return b"".join(part(number, text(1, key) + part(2, anything(value))) for key, value in one.items() if key.startswith("x-"))


def anything(value: Any) -> bytes:
    """An Any: its value as YAML, which JSON is."""
    return part(2, msgspec.json.encode(value) + b"\n")


def text(number: int, value: str) -> bytes:
    return part(number, value.encode()) if value else b""


def texts(number: int, values: Iterable[str]) -> bytes:
    return b"".join(part(number, value.encode()) for value in values)


def flag(number: int, value: bool) -> bytes:
    return varint(number << 3 | VARINT) + b"\x01" if value else b""


def part(number: int, data: bytes) -> bytes:
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
