"""The table of Go's fields: order, presence and numbers at each API level."""

from __future__ import annotations

import pytest

from pilothouse.api import fields
from pilothouse.api.types import apps_v1, core_v1
from pilothouse.machinery import meta_v1


def names(type_name: str, level: str) -> list[str]:
    return [field.json for field in fields.fields_of(type_name, level)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param(core_v1.Pod, "core/v1.Pod", id="core"),
        pytest.param(apps_v1.Deployment, "apps/v1.Deployment", id="a group"),
        pytest.param(meta_v1.ObjectMeta, "meta/v1.ObjectMeta", id="meta"),
    ],
)
def test_a_struct_class_has_its_name_in_the_table(kind: type, expected: str) -> None:
    assert fields.type_name(kind) == expected
    assert expected in fields.table()


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        pytest.param("1.34", [], id="not yet"),
        pytest.param("1.35", ["workloadRef"], id="an alpha field that was taken back"),
        pytest.param("1.36", ["schedulingGroup"], id="what came in its place"),
        pytest.param("1.37", ["schedulingGroup", "evictionResponders"], id="newest"),
    ],
)
def test_fields_are_those_of_the_level(level: str, expected: list[str]) -> None:
    listed = names("core/v1.PodSpec", level)
    assert [name for name in listed if name in ("workloadRef", "schedulingGroup", "evictionResponders")] == expected


@pytest.mark.parametrize("level", fields.LEVELS)
def test_fields_that_changed_keep_their_place(level: str) -> None:
    assert names("apps/v1.ControllerRevision", level) == ["(inline)", "metadata", "data", "revision"]


def test_a_field_has_its_presence_and_protobuf_number() -> None:
    by_name = {field.json: field for field in fields.fields_of("meta/v1.ObjectMeta")}
    generation, stamp = by_name["generation"], by_name["creationTimestamp"]
    assert (generation.go, generation.pointer, generation.omitempty) == ("int64", False, True)
    assert (generation.number, generation.wire) == (7, "varint")
    assert (stamp.omitempty, stamp.omitzero) == (True, True)
