"""OpenAPI version 3 in the protobuf form of gnostic (openapi.v3.Document), as client-go asks for it beside JSON.

A writer for exactly the parts that our documents have, and all of a schema; the field numbers are those of gnostic's OpenAPIv3.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pilothouse.api.protobuf.wire import FIXED64, VARINT, varint
from pilothouse.apiserver.openapi.protobuf import anything, extensions, flag, part, text, texts

OPERATION_FIELDS = {"get": 4, "put": 5, "post": 6, "delete": 7, "patch": 10}
FLAGS = {"nullable": 1, "readOnly": 3, "writeOnly": 4, "deprecated": 8, "exclusiveMaximum": 11, "exclusiveMinimum": 13, "uniqueItems": 20}
TEXTS = {"title": 9, "pattern": 17, "type": 25, "description": 34, "format": 35}
NUMBERS = {"multipleOf": 10, "maximum": 12, "minimum": 14}
COUNTS = {"maxLength": 15, "minLength": 16, "maxItems": 18, "minItems": 19, "maxProperties": 21, "minProperties": 22}
ALTERNATIVES = {"allOf": 26, "oneOf": 27, "anyOf": 28}


def encode(document: Mapping[str, Any]) -> bytes:
    """The bytes of a Document."""
    info = text(1, document["info"]["title"]) + text(6, document["info"]["version"])
    paths = named(1, document["paths"], path_item)
    schemas = named(1, document["components"]["schemas"], schema_or_reference)
    return text(1, document["openapi"]) + part(2, info) + part(4, paths) + part(5, part(1, schemas))


def named(number: int, values: Mapping[str, Any], write: Callable[[Any], bytes]) -> bytes:
    """A map, as a repeated message of name and value."""
    return b"".join(part(number, text(1, name) + part(2, write(value))) for name, value in values.items())


def path_item(item: Mapping[str, Any]) -> bytes:
    """A path item of OpenAPI v3 as a protobuf message."""
    return b"".join(part(OPERATION_FIELDS[method], operation(value)) for method, value in item.items())


def operation(value: dict[str, Any]) -> bytes:
    """An operation of OpenAPI v3 as a protobuf message."""
    body = part(7, part(1, request_body(value["requestBody"]))) if "requestBody" in value else b""
    return b"".join(
        (
            texts(1, value["tags"]),
            text(5, value["operationId"]),
            b"".join(part(6, part(1, parameter(each))) for each in value["parameters"]),
            body,
            part(8, named(2, value["responses"], lambda answer: part(1, response(answer)))),
            extensions(13, value),
        )
    )


def parameter(value: Mapping[str, Any]) -> bytes:
    """A parameter of OpenAPI v3 as a protobuf message."""
    head = text(1, value["name"]) + text(2, value["in"]) + text(3, value.get("description", "")) + flag(4, value.get("required", False))
    return head + part(10, schema_or_reference(value["schema"]))


def request_body(value: Mapping[str, Any]) -> bytes:
    """A request body of OpenAPI v3 as a protobuf message."""
    return part(2, media_types(value["content"])) + flag(3, value["required"])


def response(value: Mapping[str, Any]) -> bytes:
    """A response of OpenAPI v3 as a protobuf message."""
    return text(1, value["description"]) + part(3, media_types(value["content"]))


def media_types(content: Mapping[str, Any]) -> bytes:
    """The media types of a body as a protobuf message of named schemas."""
    return named(1, content, lambda value: part(1, schema_or_reference(value["schema"])))


def schema_or_reference(value: dict[str, Any]) -> bytes:
    """A schema, or a `$ref`, as the protobuf message that holds either."""
    return part(2, text(1, value["$ref"])) if isinstance(value.get("$ref"), str) else part(1, schema(value))


def schema(value: dict[str, Any]) -> bytes:
    """A Schema: its scalars, then what it is made of."""
    return b"".join(
        (
            *(flag(number, value.get(key, False)) for key, number in FLAGS.items()),
            *(text(number, value.get(key, "")) for key, number in TEXTS.items()),
            *(double(number, value[key]) for key, number in NUMBERS.items() if key in value),
            *(count(number, value[key]) for key, number in COUNTS.items() if key in value),
            texts(23, value.get("required", ())),
            *(part(24, anything(each)) for each in value.get("enum", ())),
            *(part(number, schema_or_reference(each)) for key, number in ALTERNATIVES.items() for each in value.get(key, ())),
            *nested(value),
            extensions(36, value),
        )
    )


def nested(value: dict[str, Any]) -> Iterable[bytes]:
    """The schemas inside a schema, its default and its example."""
    if "example" in value:
        yield part(7, anything(value["example"]))
    if "not" in value:
        yield part(29, schema(value["not"]))
    if "items" in value:
        yield part(30, part(1, schema_or_reference(value["items"])))
    if "properties" in value:
        yield part(31, named(1, value["properties"], schema_or_reference))
    if "additionalProperties" in value:
        yield part(32, additional(value["additionalProperties"]))
    if "default" in value:
        yield part(33, default(value["default"]))


def additional(value: Any) -> bytes:
    """additionalProperties: a schema, or whether any are allowed."""
    return truth(2, value) if isinstance(value, bool) else part(1, schema_or_reference(value))


def default(value: Any) -> bytes:
    """A DefaultType: a number, a truth or a text; of lists and objects it says nothing."""
    if isinstance(value, bool):
        return truth(2, value)
    if isinstance(value, int | float):
        return varint(1 << 3 | FIXED64) + struct.pack("<d", value)
    return part(3, value.encode()) if isinstance(value, str) else b""


def truth(number: int, value: bool) -> bytes:
    """A bool of a choice: written also when it is false."""
    return varint(number << 3 | VARINT) + bytes((value,))


def double(number: int, value: float) -> bytes:
    """A field of a 64-bit float; nothing for zero."""
    return varint(number << 3 | FIXED64) + struct.pack("<d", value) if value else b""


def count(number: int, value: int) -> bytes:
    """A field of an integer; nothing for zero."""
    return varint(number << 3 | VARINT) + varint(value) if value else b""
