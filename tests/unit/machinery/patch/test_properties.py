"""What holds of every apply and every patch, for random objects and managers."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.api.types.core_v1 import Pod
from pilothouse.machinery import fieldset
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.patch import merge, strategic, three_way
from pilothouse.machinery.patch.creating import CreatedFields
from pilothouse.machinery.patch.schema import of_shape
from pilothouse.machinery.patch.updater import everything
from pilothouse.machinery.shape import shape_of
from tests.unit.machinery.patch.applying import Live, without_nulls, writer

Map = dict[str, Any]
WORDS = st.sampled_from(["a", "b", "c"])
SCHEMA = of_shape(shape_of(Pod))


def without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: found for name, one in value.items() if (found := without_empty(one)) not in ({}, [], None)}
    return [without_empty(one) for one in value] if isinstance(value, list) else value


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Map]:
    return st.fixed_dictionaries({}, optional=fields)


def by_name(item: st.SearchStrategy[Map], key: str = "name") -> st.SearchStrategy[list[Map]]:
    named = st.dictionaries(WORDS, item, max_size=3)
    return named.map(lambda found: [{key: name, **fields} for name, fields in found.items()])


VARIABLE = optional(value=WORDS)
CONTAINER = optional(
    image=WORDS,
    command=st.lists(WORDS, min_size=1, max_size=2),
    env=by_name(VARIABLE),
    resources=optional(limits=st.dictionaries(WORDS, st.just("1"), max_size=2)),
    volumeMounts=by_name(st.fixed_dictionaries({"name": WORDS}), "mountPath"),
)
SPEC = optional(
    containers=by_name(CONTAINER),
    nodeSelector=st.dictionaries(WORDS, WORDS, max_size=2),
    tolerations=st.lists(st.fixed_dictionaries({"key": WORDS}), max_size=2),
    hostNetwork=st.just(True),
)
METADATA = optional(
    labels=st.dictionaries(WORDS, WORDS, max_size=3), finalizers=st.lists(WORDS.map("x/{}".format), max_size=2, unique=True).map(sorted)
)
OBJECTS = st.fixed_dictionaries({"metadata": METADATA, "spec": SPEC}).map(without_empty)
"""Without empty maps and lists: a struct does not keep them, so that their owner says them anew each time."""
MANAGERS = st.sampled_from(["one", "two"])
STEPS = st.lists(st.tuples(MANAGERS, OBJECTS, st.booleans()), min_size=1, max_size=5)
ATOMICS = (("f:spec", "f:nodeSelector"), ("f:spec", "f:tolerations"))


def played(steps: list[tuple[str, Map, bool]]) -> Live:
    """An object after some applies, of which those that conflict are refused."""
    live = Live(Pod)
    for name, config, force in steps:
        try:
            live.apply(name, config, force=force)
        except StatusError as error:
            assert error.code == 409, error  # noqa: PT017
    return live


def sets(live: Live) -> dict[str, frozenset[tuple[str, ...]]]:
    return {one.manager: fieldset.parse(bytes(one.fieldsV1)) for one in live.record}


@given(STEPS, MANAGERS, OBJECTS)
def test_apply_is_idempotent(steps: list[tuple[str, Map, bool]], name: str, config: Map) -> None:
    live = played(steps)
    first = orjson.dumps(live.apply(name, config, force=True), option=orjson.OPT_SORT_KEYS)
    owned = sets(live)
    assert orjson.dumps(live.apply(name, config), option=orjson.OPT_SORT_KEYS) == first
    assert sets(live) == owned


@given(STEPS, OBJECTS)
def test_apply_of_nothing_removes_exactly_what_is_ones_own(steps: list[tuple[str, Map, bool]], config: Map) -> None:
    live = played([step for step in steps if step[0] == "two"])
    others = sets(live).get("two", frozenset())
    live.apply("one", config) if not _conflicts(live, config) else None
    live.apply("one", {})
    assert "one" not in sets(live)
    assert sets(live).get("two", frozenset()) == others
    expected = played([step for step in steps if step[0] == "two"])
    assert _leaves(live.obj) == _leaves(expected.obj)


def _conflicts(live: Live, config: Map) -> bool:
    try:
        live.copy().apply("one", config)
    except StatusError:
        return True
    return False


def _leaves(obj: Map | None) -> set[str]:
    """What an object says, whatever empty maps and lists are in it."""
    found: set[str] = set()

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for name, one in value.items():
                walk(one, f"{path}.{name}")
        elif isinstance(value, list):
            for one in value:
                walk(one, f"{path}[{one['name'] if isinstance(one, dict) and 'name' in one else one}]")
        else:
            found.add(f"{path}={value}")

    walk(obj or {}, "")
    return found - {".apiVersion=v1", ".kind=Pod", ".metadata.name=x"}


@given(STEPS)
def test_two_managers_never_both_own_an_atomic_that_they_said_differently(steps: list[tuple[str, Map, bool]]) -> None:
    live = played(steps)
    said = {name: config for name, config, _ in steps}
    for path in ATOMICS:
        owners = [name for name, paths in sets(live).items() if path in paths]
        values = [(live.obj or {})["spec"].get(path[1][2:])] if owners else []
        assert len(owners) < 2 or all(value == values[0] for value in values), (owners, said)


@given(STEPS)
def test_all_that_an_object_says_has_an_owner(steps: list[tuple[str, Map, bool]]) -> None:
    live = played(steps)
    owned = frozenset().union(*sets(live).values()) if live.record else frozenset()
    names = {path[2] for path in owned if path[:2] == ("f:metadata", "f:labels")}
    assert names == {f"f:{name}" for name in (live.obj or {}).get("metadata", {}).get("labels", {})}


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_yields_the_second_object(first: Map, second: Map) -> None:
    def difference(old: Any, new: Any) -> Any:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return new
        gone = {name: None for name in old if name not in new}
        return {**gone, **{name: difference(old.get(name), value) for name, value in new.items() if old.get(name) != value}}

    assert merge.apply(first, difference(first, second)) == second


@given(OBJECTS, OBJECTS)
def test_a_strategic_patch_yields_the_second_object(first: Map, second: Map) -> None:
    patch = three_way.create(first, second, first, Pod)
    assert without_empty(strategic.apply(first, patch, Pod)) == without_empty(second)


@given(st.lists(OBJECTS, min_size=1, max_size=4))
def test_the_remembered_fields_of_new_objects_are_those_of_a_comparison(objects: list[Map]) -> None:
    head = {"apiVersion": "v1", "kind": "Pod"}
    maker = writer(Pod, "maker")
    created = CreatedFields(SCHEMA, maker.empty, everything, frozenset())
    for fields in objects:
        obj = orjson.loads(orjson.dumps({**head, **fields}))
        struct = _struct(obj)
        live = Live(Pod)
        live.update("maker", orjson.loads(_encoded(struct)))
        expected = frozenset(path for path in sets(live).get("maker", frozenset()))
        stripped = fieldset.without(fieldset.parse(created.of(struct)), [])
        assert stripped - {("f:apiVersion",), ("f:kind",)} == expected


def _struct(obj: Map) -> Any:
    from pilothouse.machinery import codec

    return codec.from_dict(without_nulls(obj), Pod)


def _encoded(obj: Any) -> bytes:
    from pilothouse.machinery import codec

    return codec.encode(obj)
