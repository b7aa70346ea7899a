"""Every field of every built-in type in protobuf: unset, at zero, set."""

from __future__ import annotations

import inspect
import pkgutil
import typing
from importlib import import_module
from typing import Any

import msgspec
import pytest

import pilothouse.api.types
from pilothouse.api.fields import INLINE, table, type_name
from pilothouse.api.protobuf.decoder import decode_message
from pilothouse.api.protobuf.encoder import encode_message
from pilothouse.machinery import meta_v1

WITHOUT = {"meta/v1.Info": "of /version, which is JSON alone"}
DEPTH = 1
"""How deep objects in objects are filled."""
ENVELOPED = {"apiVersion", "kind"}
"""Of a kind, these stand in the envelope."""
BY_GO = {
    "string": "text",
    "bool": True,
    "int32": 7,
    "int64": -(1 << 40),
    "uint32": 9,
    "float64": 0.5,
    "bytes": "AAH/",
    "meta/v1.Time": "2026-12-01T04:05:06Z",
    "meta/v1.MicroTime": "2026-12-01T04:05:06.123456Z",
    "api/resource.Quantity": "1500m",
    "util/intstr.IntOrString": "25%",
    "runtime.RawExtension": msgspec.Raw(rb'{"b":1.0,"a":[1,null,{"b":"\u003c\u0026\u003e"}]}'),
    "meta/v1.FieldsV1": msgspec.Raw(b'{"f:spec":{"f:replicas":{}}}'),
    "apiextensions/v1.JSON": {"a": 0},
    "apiextensions/v1.JSONSchemaPropsOrBool": False,
    "apiextensions/v1.JSONSchemaPropsOrArray": [{"type": "string"}],
    "apiextensions/v1.JSONSchemaPropsOrStringArray": ["one", "two"],
}


FALSE_IS_A_VALUE = ("*apiextensions/v1.JSONSchemaPropsOrBool",)


def classes() -> list[type[Any]]:
    modules = [import_module(f"pilothouse.api.types.{each.name}") for each in pkgutil.iter_modules(pilothouse.api.types.__path__)]
    return [
        cls
        for module in (meta_v1, *modules)
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, msgspec.Struct) and type_name(cls) not in WITHOUT
    ]


def go_types(name: str) -> dict[str, str]:
    """JSON name -> Go type, with what is inlined."""
    found = {}
    for field in table().get(name, ()):
        if field.number:
            found |= go_types(field.go) if field.json == INLINE else {field.json: field.go}
    return found


def struct_in(annotation: Any) -> type[Any] | None:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    return next((found for argument in typing.get_args(annotation) if (found := struct_in(argument)) is not None), None)


def filled(cls: type[Any], depth: int = 0) -> Any:
    """An object with every field set."""
    go = go_types(type_name(cls))
    values = {}
    for field in msgspec.structs.fields(cls):
        if field.encode_name in go and (value := value_of(go[field.encode_name], field.type, depth)) is not None:
            values[field.name] = value
    return cls(**values)


def value_of(go: str, annotation: Any, depth: int) -> Any:
    go = go.removeprefix("*")
    if go == "map[string][]string":
        return {"key": ["one", "two"]}
    if go.startswith("[]"):
        value = value_of(go[2:], annotation, depth)
        return None if value is None else [value] if struct_in(annotation) else [value, value]
    if go.startswith("map[string]"):
        value = value_of(go.removeprefix("map[string]"), annotation, depth)
        return None if value is None else {"a": value} if struct_in(annotation) else {"b": value, "a": value}
    if go in BY_GO:
        return BY_GO[go]
    cls = struct_in(annotation)
    assert cls is not None, f"{go} has no value here"
    return None if depth > DEPTH else filled(cls, depth + 1)


@pytest.mark.parametrize("cls", classes(), ids=type_name)
def test_what_is_written_is_read(cls: type[Any]) -> None:
    obj = filled(cls)
    again = decode_message(encode_message(obj), cls)
    assert encode_message(again) == encode_message(obj)
    go = go_types(type_name(cls))
    plain = [field for field in msgspec.structs.fields(cls) if field.encode_name in go and struct_in(field.type) is None]
    assert {field.name: getattr(again, field.name) for field in plain} == {field.name: getattr(obj, field.name) for field in plain}
    assert all(getattr(again, field.name) for field in plain if go[field.encode_name] not in FALSE_IS_A_VALUE)


@pytest.mark.parametrize("cls", classes(), ids=type_name)
def test_an_empty_object_is_read_as_an_empty_object(cls: type[Any]) -> None:
    again = decode_message(encode_message(cls()), cls)
    assert encode_message(again) == encode_message(cls())


@pytest.mark.parametrize("cls", classes(), ids=type_name)
def test_every_field_has_a_number(cls: type[Any]) -> None:
    names = {field.encode_name for field in msgspec.structs.fields(cls)}
    assert names - set(go_types(type_name(cls))) <= ENVELOPED


@pytest.mark.parametrize("cls", classes(), ids=type_name)
def test_zeros_that_can_be_told_from_absence_are_kept(cls: type[Any]) -> None:
    go = go_types(type_name(cls))
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(cls):
        bare = go.get(field.encode_name, "")
        if bare.startswith("*") and type(None) in typing.get_args(field.type) and bare[1:] in ("string", "bool", "int32", "int64"):
            values[field.name] = {"string": "", "bool": False}.get(bare[1:], 0)
    obj = cls(**values)
    assert decode_message(encode_message(obj), cls) == obj or not values
