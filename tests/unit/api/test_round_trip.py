"""Whatever a struct holds, encoding and decoding give it back; and what it encodes bears the API's names."""

from __future__ import annotations

import importlib
import pkgutil
import random
from functools import cache
from types import ModuleType
from typing import Any

import msgspec
import pytest

import pilothouse.api.types
from pilothouse.machinery import meta_v1
from pilothouse.machinery.struct import Object

MODULES = [
    meta_v1,
    *(importlib.import_module(f"pilothouse.api.types.{one.name}") for one in pkgutil.iter_modules(pilothouse.api.types.__path__)),
]
SAMPLES = 4
DEEPEST = 4


def structs(module: ModuleType) -> list[type[Object]]:
    found = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Object)]
    return [one for one in found if one.__module__ == module.__name__]


@cache
def described(struct: type[Any]) -> tuple[Any, ...]:
    return tuple(msgspec.inspect.type_info(struct).fields)  # type: ignore[attr-defined]


def sample(hint: Any, rng: random.Random, depth: int) -> Any:
    """Some value of a type as msgspec.inspect describes it; deep down the empty one."""
    match hint:
        case msgspec.inspect.StructType(cls=cls):
            fields = described(cls)
            chosen = fields if depth < DEEPEST else ()
            return cls(**{one.name: sample(one.type, rng, depth + 1) for one in chosen if rng.random() < 0.6})
        case msgspec.inspect.UnionType(types=types):
            return sample(rng.choice(types), rng, depth)
        case msgspec.inspect.ListType(item_type=item):
            return [sample(item, rng, depth + 1) for _ in range(rng.randrange(3) if depth < DEEPEST else 0)]
        case msgspec.inspect.DictType(value_type=value):
            return {f"k{one}": sample(value, rng, depth + 1) for one in range(rng.randrange(3) if depth < DEEPEST else 0)}
        case msgspec.inspect.StrType():
            return rng.choice(["", "a", 'ä\n"', "x" * 40])
        case msgspec.inspect.IntType():
            return rng.choice([0, 1, -1, 2**31, 2**53])
        case msgspec.inspect.FloatType():
            return rng.choice([0.5, -1.25])
        case msgspec.inspect.BoolType():
            return rng.random() < 0.5
        case msgspec.inspect.NoneType():
            return None
        case msgspec.inspect.RawType():
            return msgspec.Raw(rng.choice([b"{}", b'{"f:a":{}}']))
        case msgspec.inspect.AnyType():
            return rng.choice([None, {"a": [1, "b"]}, "text", 3])
    raise AssertionError(hint)


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.__name__.rpartition(".")[2])
def test_every_struct_round_trips(module: ModuleType) -> None:
    rng = random.Random(module.__name__)
    for struct in structs(module):
        decoder = msgspec.json.Decoder(struct)
        for _ in range(SAMPLES):
            one = struct(**{one.name: sample(one.type, rng, 1) for one in described(struct) if rng.random() < 0.8})
            text = msgspec.json.encode(one)
            assert decoder.decode(text) == one, struct
            assert msgspec.json.encode(decoder.decode(text)) == text, struct


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.__name__.rpartition(".")[2])
def test_an_empty_object_is_made_without_arguments(module: ModuleType) -> None:
    for struct in structs(module):
        one = struct()
        assert msgspec.json.decode(msgspec.json.encode(one), type=struct) == one
