"""Every field of every type at each API level that is served: absent, at zero, null and set, in JSON and in protobuf."""

from __future__ import annotations

import json
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

import pilothouse.api.types
from pilothouse import API_LEVEL, API_LEVELS
from pilothouse.api import fields
from pilothouse.api.protobuf.decoder import decode_message
from pilothouse.api.protobuf.encoder import encode_message
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from tests.unit.api.test_presence import ALL, names_its_kind, sample, written, zero_of

MODULES = sorted({"meta_v1", *(module.name for module in iter_modules(pilothouse.api.types.__path__))})
LEVELS = [level for level in API_LEVELS if level != API_LEVEL]
"""The newest is looked at in test_presence.py."""
TYPE_META = ("kind", "apiVersion")
"""They stand in the envelope."""
GONE = {
    ("core/v1.NodeAllocatableResourceClaimStatus", "resources"),
    ("core/v1.PodSpec", "workloadRef"),
    ("resource/v1.Device", "nodeAllocatableResourceMappings"),
}
"""Fields of features that were off in their levels and were taken away before 1.37."""
OTHER_FORM = ("custom", "-")


def kinds_of(module: str, level: str) -> dict[str, type[Any]]:
    """The types of a module that exist at a level."""
    group, _, version = module.rpartition("_")
    return {name: kind for name, kind in ALL.items() if name.startswith(f"{group}/{version}.") and fields.fields_of(name, level)}


def plain_fields(name: str, level: str) -> list[fields.Field]:
    """The fields of a type at a level that the newest still has: what went since was never on by default (GONE)."""
    newest = {each.json for each in fields.json_fields(name)}
    kept = (each for each in fields.json_fields(name, level) if each.json in newest)
    return [each for each in kept if not names_its_kind(name, each) and each.json not in OTHER_FORM]


def said(go: str) -> Any:
    """What a client says of a field: a value that is not zero, and objects of which nothing is said."""
    bare = go.lstrip("*")
    if bare.startswith("[]"):
        return [said(bare[2:])]
    if bare.startswith("map[string]"):
        return {"a": said(bare.removeprefix("map[string]")), "b": said(bare.removeprefix("map[string]"))}
    return {} if bare in ALL else sample(bare)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("module", MODULES)
def test_what_is_set_comes_back_and_nothing_else_is_there(module: str, level: str) -> None:
    for name, kind in kinds_of(module, level).items():
        unset = written(kind())
        for each in plain_fields(name, level):
            decoded = codec.decode_as(json.dumps({each.json: said(each.go)}).encode(), kind, strictness="Strict", level=level)
            assert decoded.warnings == [], each.json
            seen = written(decoded.object)
            assert seen.pop(each.json) == sample(each.go), (name, each.json)
            assert seen == {key: left for key, left in unset.items() if key != each.json}, (name, each.json)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("module", MODULES)
def test_null_is_absence_and_zero_is_what_it_is_at_the_newest_level(module: str, level: str) -> None:
    for name, kind in kinds_of(module, level).items():
        unset = written(kind())
        for each in plain_fields(name, level):
            decoded = codec.decode_as(json.dumps({each.json: None}).encode(), kind, strictness="Strict", level=level)
            assert written(decoded.object) == unset, (name, each.json)
            zero = zero_of(each)
            if zero is not None:
                body = json.dumps({each.json: zero}).encode()
                assert written(codec.decode_as(body, kind, level=level).object) == written(codec.decode_as(body, kind).object), (
                    name,
                    each.json,
                )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("module", MODULES)
def test_protobuf_says_the_same_as_json(module: str, level: str) -> None:
    for name, kind in kinds_of(module, level).items():
        for each in plain_fields(name, level):
            if not each.number or each.json in TYPE_META:
                continue
            for value in (said(each.go), zero_of(each)):
                if value in (None, [], {}) or (each.go, value) == ("bytes", ""):  # nothing of these is left in protobuf
                    continue
                obj = codec.decode_as(json.dumps({each.json: value}).encode(), kind, level=level).object
                assert written(decode_message(encode_message(obj), kind)) == written(obj), (name, each.json, value)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("module", MODULES)
def test_what_came_later_is_unknown(module: str, level: str) -> None:
    for name, kind in kinds_of(module, level).items():
        known = {each.json for each in fields.json_fields(name, level)}
        unset = written(kind())
        for each in fields.json_fields(name):
            if each.json in known or names_its_kind(name, each):
                continue
            body = json.dumps({each.json: sample(each.go)}).encode()
            with pytest.raises(StatusError, match=f'unknown field "{each.json}"'):
                codec.decode_as(body, kind, strictness="Strict", level=level)
            assert written(codec.decode_as(body, kind, level=level).object) == unset, (name, each.json)


def test_what_was_taken_away_since() -> None:
    gone = {
        (name, each.json)
        for level in LEVELS
        for name in fields.table()
        for each in fields.json_fields(name, level)
        if name in ALL and each.json not in {now.json for now in fields.json_fields(name)}
    }
    assert gone == GONE


@pytest.mark.parametrize("level", LEVELS)
def test_there_are_types_to_look_at(level: str) -> None:
    assert sum(len(kinds_of(module, level)) for module in MODULES) > 400
    assert import_module("pilothouse.machinery.meta_v1")
