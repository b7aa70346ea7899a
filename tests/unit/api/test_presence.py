"""Every field of every type: written when, and in which order, as the table of Go's fields says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

import pilothouse.api.types
from pilothouse.api import fields
from pilothouse.api.fields import Field
from pilothouse.machinery import codec, meta_v1
from pilothouse.machinery.struct import Object

TIMES = {"meta/v1.Time": "2026-01-02T03:04:05Z", "meta/v1.MicroTime": "2026-01-02T03:04:05.000006Z"}
SAMPLES: dict[str, Any] = {
    "string": "a", "bool": True, "int32": 7, "int64": 1 << 40, "float64": 1.5, "bytes": "YQ==", "api/resource.Quantity": "1500m",
    "util/intstr.IntOrString": "50%", "meta/v1.FieldsV1": {"f:a": {}}, "runtime.RawExtension": {"a": 1}, "apiextensions/v1.JSON": {"a": 1},
    "apiextensions/v1.JSONSchemaPropsOrArray": {"type": "a"}, "apiextensions/v1.JSONSchemaPropsOrBool": False,
    "apiextensions/v1.JSONSchemaPropsOrStringArray": ["a"], **TIMES,
}  # fmt: skip
ZEROS: dict[str, Any] = {
    "string": "", "bool": False, "int32": 0, "int64": 0, "float64": 0.0, "bytes": "", "api/resource.Quantity": "0",
    "util/intstr.IntOrString": 0, "meta/v1.FieldsV1": {}, "runtime.RawExtension": None, "apiextensions/v1.JSON": None,
    "apiextensions/v1.JSONSchemaPropsOrArray": None, "apiextensions/v1.JSONSchemaPropsOrBool": None,
    "apiextensions/v1.JSONSchemaPropsOrStringArray": None,
}  # fmt: skip
STORED_AS_JSON = ("apiextensions/", "apiregistration/")
"""Groups whose empty lists do not become nil by storage; neither do those of what is answered only."""
ANSWERED = ("authentication/", "authorization/", "meta/")
ALWAYS_A_LIST = ("core/v1.PodSpec.containers",)
"""Validation never lets it be empty."""


def structs() -> Iterator[tuple[str, type[Object]]]:
    modules = [import_module(f"pilothouse.api.types.{module.name}") for module in iter_modules(pilothouse.api.types.__path__)]
    for module in (*modules, meta_v1):
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Object) and kind.__module__ == module.__name__:
                yield fields.type_name(kind), kind


ALL = dict(structs())
TABLED = [pytest.param(name, id=name) for name in ALL if fields.fields_of(name)]


def written(value: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(codec.encode(value))
    return parsed


def names_its_kind(name: str, each: Field) -> bool:
    return hasattr(ALL[name], "GVK") and each.json in ("apiVersion", "kind")


def is_listed(go: str) -> bool:
    return go.startswith(("[]", "map["))


def at_zero(name: str, each: Field) -> tuple[bool, Any]:
    """Whether Go writes a field that was never set, and as what."""
    go = each.go
    if each.pointer or go in TIMES or go == "bytes":
        return not each.omitempty or (go in TIMES and not each.omitzero), None
    if is_listed(go):
        stays = name.startswith("meta/") or each.json == "items" or f"{name}.{each.json}" in ALWAYS_A_LIST
        return not each.omitempty, [] if stays else None
    if go in ALL:
        return True, written(ALL[go]())
    always = go in ("api/resource.Quantity", "util/intstr.IntOrString", "runtime.RawExtension")
    return always or not each.omitempty, ZEROS[go]


def sample(go: str) -> Any:
    """A value that is not zero."""
    if go.startswith("*"):
        return sample(go[1:])
    if go.startswith("[]"):
        return [sample(go[2:])]
    if go.startswith("map[string]"):
        return {"b": sample(go.removeprefix("map[string]")), "a": sample(go.removeprefix("map[string]"))}
    return written(ALL[go]()) if go in ALL else SAMPLES[go]


@pytest.mark.parametrize("name", TABLED)
def test_what_is_not_set_is_written_as_go_writes_it_and_in_its_order(name: str) -> None:
    kind = ALL[name]
    zeros = {each: at_zero(name, each) for each in fields.json_fields(name)}
    expected = {each.json: value for each, (there, value) in zeros.items() if there or names_its_kind(name, each)}
    seen = written(kind())
    assert list(seen) == list(expected)
    assert {key: value for key, value in seen.items() if key not in ("apiVersion", "kind")} == {
        key: value for key, value in expected.items() if key not in ("apiVersion", "kind")
    }


@pytest.mark.parametrize("name", TABLED)
def test_what_is_set_comes_back_as_it_was(name: str) -> None:
    kind = ALL[name]
    for each in fields.json_fields(name):
        if names_its_kind(name, each):
            continue
        value = sample(each.go)
        decoded = codec.decode_as(json.dumps({each.json: value}).encode(), kind, strictness="Strict")
        assert decoded.warnings == []
        assert written(decoded.object)[each.json] == value, each.json


def zero_of(each: Field) -> Any:
    """What a client writes to say "nothing" in a field's own type."""
    go = each.go.removeprefix("*")
    if go.startswith("[]"):
        return []
    if go.startswith("map[") or go in ALL:
        return {}
    return ZEROS.get(go)


@pytest.mark.parametrize("name", TABLED)
def test_zero_of_a_plain_value_is_absence_and_of_a_pointer_is_kept(name: str) -> None:
    kind = ALL[name]
    for each in fields.json_fields(name):
        zero, go = zero_of(each), each.go.removeprefix("*")
        if names_its_kind(name, each) or zero is None:
            continue
        seen = written(codec.decode_as(json.dumps({each.json: zero}).encode(), kind).object)
        there, value = at_zero(name, each)
        if each.pointer:
            kept = written(ALL[go]()) if go in ALL else zero
            if go != "meta/v1.FieldsV1":
                assert seen[each.json] == kept, each.json
        elif each.go == "bytes":
            assert seen.get(each.json) == (None if each.omitempty else ""), each.json
        elif there:
            stays = is_listed(each.go) and name.startswith((*STORED_AS_JSON, *ANSWERED))
            assert seen[each.json] == (zero if stays else value), each.json
        else:
            assert each.json not in seen, each.json


@pytest.mark.parametrize("name", TABLED)
def test_null_is_the_zero_value(name: str) -> None:
    kind = ALL[name]
    unset = written(kind())
    for each in fields.json_fields(name):
        if not names_its_kind(name, each):
            decoded = codec.decode_as(json.dumps({each.json: None}).encode(), kind, strictness="Strict")
            assert written(decoded.object) == unset, each.json


def test_the_table_has_every_struct() -> None:
    without = {name for name in ALL if not fields.fields_of(name)}
    assert without == {
        "apiextensions/v1.CustomResourceSubresourceStatus",
        "meta/v1.Info",
        "scheduling/v1alpha3.WorkloadPodGroupAllDisruptionMode",
        "scheduling/v1alpha3.WorkloadPodGroupBasicSchedulingPolicy",
        "scheduling/v1alpha3.WorkloadPodGroupSingleDisruptionMode",
    }
