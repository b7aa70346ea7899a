"""OpenAPI version 2 in the protobuf form of gnostic (openapi.v2.Document), which kubectl before 1.27 insists on.

A writer for exactly the parts that our document has; the field numbers are those of gnostic's OpenAPIv2.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from pilothouse.api.protobuf.wire import BYTES, VARINT, sized, varint

OPERATION_FIELDS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
SCHEMA_KEYS = frozenset(
    ("$ref", "format", "description", "default", "required", "enum", "additionalProperties", "type", "items", "allOf", "properties")
)


def encode(document: dict[str, Any]) -> bytes:
    """The bytes of a Document."""
    paths = (path(name, item) for name, item in document["paths"].items())
    return document_of(document, paths, (definition(name, schema) for name, schema in document["definitions"].items()))


def document_of(head: dict[str, Any], paths: Iterable[bytes], definitions: Iterable[bytes]) -> bytes:
    """A Document of paths and definitions that are encoded already."""
    info = text(1, head["info"]["title"]) + text(2, head["info"]["version"])
    return text(1, head["swagger"]) + part(2, info) + part(8, b"".join(paths)) + part(9, b"".join(definitions))


def path(name: str, item: dict[str, Any]) -> bytes:
    """A path with its operations, as a member of a Document."""
    return part(2, text(1, name) + part(2, path_item(item)))


def definition(name: str, value: dict[str, Any]) -> bytes:
    """A schema with its name, as a member of a Document."""
    return part(1, text(1, name) + part(2, schema(value)))


def path_item(item: dict[str, Any]) -> bytes:
    """A path item of OpenAPI v2 as a protobuf message."""
    return b"".join(part(OPERATION_FIELDS[method], operation(value)) for method, value in item.items())


def operation(value: dict[str, Any]) -> bytes:
    """An operation of OpenAPI v2 as a protobuf message."""
    answers = (_answer(code, answer["description"], answer["schema"]) for code, answer in value["responses"].items())
    return b"".join(
        (
            texts(1, value["tags"]),
            text(5, value["operationId"]),
            _texts(6, tuple(value["produces"])),
            _texts(7, tuple(value["consumes"])),
            *map(parameter, value["parameters"]),
            part(9, b"".join(answers)),
            extensions(13, value),
        )
    )


def _answer(code: str, description: str, shown: dict[str, Any]) -> bytes:
    """A response with its code."""
    if shown.keys() == {"$ref"}:
        return _referring_answer(code, description, shown["$ref"])
    return part(1, text(1, code) + part(2, part(1, text(1, description) + part(2, part(1, schema(shown))))))


@lru_cache(maxsize=1024)
def _referring_answer(code: str, description: str, name: str) -> bytes:
    """Of a kind, whose operations refer to one schema again and again."""
    return part(1, text(1, code) + part(2, part(1, text(1, description) + part(2, part(1, text(1, name))))))


def parameter(value: dict[str, Any]) -> bytes:
    """A parameter of an operation: in the body, in the query or in the path."""
    if value["in"] == "body":
        body = text(2, "body") + text(3, "body") + flag(4, value["required"]) + part(5, schema(value["schema"]))
        return part(8, part(1, part(1, body)))
    return _plain_parameter(tuple(value.items()))


@lru_cache(maxsize=256)
def _plain_parameter(items: tuple[tuple[str, Any], ...]) -> bytes:
    """There are few, and every operation has ten."""
    parameter = dict(items)
    head = (
        flag(1, parameter.get("required", False))
        + text(2, parameter["in"])
        + text(3, parameter.get("description", ""))
        + text(4, parameter["name"])
    )
    if parameter["in"] == "query":
        return part(8, part(1, part(2, part(3, head + text(6, parameter["type"]) + flag(20, True)))))
    return part(8, part(1, part(2, part(4, head + text(5, parameter["type"]) + flag(19, True)))))


def schema(document: dict[str, Any]) -> bytes:
    """A Schema."""
    if document.keys() == {"$ref"}:
        return text(1, document["$ref"])
    parts = [text(1, document.get("$ref", "")), text(2, document.get("format", "")), text(4, document.get("description", ""))]
    if "default" in document:
        parts.append(part(5, anything(document["default"])))
    parts.append(texts(19, document.get("required", ())))
    parts += [part(20, anything(value)) for value in document.get("enum", ())]
    if isinstance(additional := document.get("additionalProperties"), dict):
        parts.append(part(21, part(1, schema(additional))))
    if "type" in document:
        parts.append(part(22, text(1, document["type"])))
    if "items" in document:
        parts.append(part(23, part(1, schema(document["items"]))))
    parts += [part(24, schema(each)) for each in document.get("allOf", ())]
    if "properties" in document:
        properties = (part(1, text(1, name) + part(2, schema(each))) for name, each in document["properties"].items())
        parts.append(part(25, b"".join(properties)))
    parts.append(extensions(31, document))
    return b"".join(parts)


def extensions(number: int, document: dict[str, Any]) -> bytes:
    """The `x-` keys, as repeated NamedAny."""
    return b"".join(_extension(number, key, msgspec.json.encode(value)) for key, value in document.items() if key.startswith("x-"))


@lru_cache(maxsize=1024)
def _extension(number: int, key: str, value: bytes) -> bytes:
    return part(number, text(1, key) + part(2, part(2, value + b"\n")))


def anything(value: Any) -> bytes:
    """An Any: its value as YAML, which JSON is."""
    return part(2, msgspec.json.encode(value) + b"\n")


def text(number: int, value: str) -> bytes:
    """A field of a text; nothing for an empty one."""
    return part(number, value.encode()) if value else b""


def texts(number: int, values: Iterable[str]) -> bytes:
    """A repeated field of texts."""
    return b"".join(part(number, value.encode()) for value in values)


@lru_cache(maxsize=64)
def _texts(number: int, values: tuple[str, ...]) -> bytes:
    return texts(number, values)


def flag(number: int, value: bool) -> bytes:
    """A field of a boolean; nothing when false."""
    return varint(number << 3 | VARINT) + b"\x01" if value else b""


def part(number: int, data: bytes) -> bytes:
    """A length-delimited field: an embedded message or bytes."""
    return varint(number << 3 | BYTES) + sized(data)
