"""Whole ownership: named field by field when somebody applies, or when another changes something."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Pod
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.patch.apply import apply, track_update
from pilothouse.machinery.patch.manager import ANCIENT, UPDATERS_LIMIT, Manager, Owners, entries, owners_of
from pilothouse.machinery.patch.whole import OBJECT, STATUS, changed_by, spelled_out

MAKER = Manager("maker", "Update", "v1", time="2025-01-01T00:00:00Z")
SEER = Manager("seer", "Update", "v1", "status", time="2025-01-02T00:00:00Z")
OTHER_SEER = Manager("other", "Update", "v1", "status", time="2025-01-03T00:00:00Z")
EDITOR = Manager("editor", "Update", "v1", time="2025-01-04T00:00:00Z")
APPLIER = Manager("me", "Apply", "v1", time="2025-01-05T00:00:00Z")
NAME, IMAGE, PHASE, REASON = ("f:spec", "f:name"), ("f:spec", "f:image"), ("f:status", "f:phase"), ("f:status", "f:reason")
WHOLE, WHOLE_STATUS = frozenset({OBJECT}), frozenset({STATUS})


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        pytest.param({MAKER: WHOLE}, {MAKER: {NAME, IMAGE, PHASE}}, id="the object is all of its fields"),
        pytest.param({MAKER: WHOLE, SEER: WHOLE_STATUS}, {MAKER: {NAME, IMAGE}, SEER: {PHASE}}, id="the status goes before the object"),
        pytest.param({MAKER: WHOLE, EDITOR: frozenset({IMAGE})}, {MAKER: {NAME, PHASE}, EDITOR: {IMAGE}}, id="what is named goes first"),
        pytest.param({APPLIER: frozenset({STATUS})}, {APPLIER: {STATUS}}, id="an apply names what it means"),
    ],
)
def test_wholes_are_spelled_out(owners: Owners, expected: dict[Manager, set[Any]]) -> None:
    assert spelled_out(owners, [NAME, IMAGE, PHASE], OBJECT, STATUS) == expected


@pytest.mark.parametrize(
    ("owners", "manager", "touched", "expected"),
    [
        pytest.param({MAKER: WHOLE}, MAKER, {IMAGE}, {MAKER: WHOLE}, id="what is the maker's anyway is not named"),
        pytest.param({MAKER: WHOLE}, EDITOR, {IMAGE}, {MAKER: WHOLE, EDITOR: {IMAGE}}, id="another's change is named"),
        pytest.param({MAKER: WHOLE, EDITOR: frozenset({IMAGE})}, MAKER, {IMAGE}, {MAKER: WHOLE}, id="the maker takes it back"),
        pytest.param({MAKER: WHOLE}, SEER, {PHASE}, {MAKER: WHOLE, SEER: WHOLE_STATUS}, id="who writes the status first owns it"),
        pytest.param(
            {MAKER: WHOLE, SEER: WHOLE_STATUS},
            OTHER_SEER,
            {PHASE},
            {MAKER: WHOLE, SEER: {REASON}, OTHER_SEER: WHOLE_STATUS},
            id="of two who write the status, the former's fields are named",
        ),
        pytest.param(
            {MAKER: WHOLE, SEER: frozenset({REASON}), OTHER_SEER: WHOLE_STATUS},
            OTHER_SEER,
            {REASON},
            {MAKER: WHOLE, OTHER_SEER: WHOLE_STATUS},
            id="and it loses them when the latter changes them",
        ),
        pytest.param(
            {APPLIER: frozenset({IMAGE})}, SEER, {PHASE}, {APPLIER: {IMAGE}, SEER: {PHASE}}, id="of an applied object all is named"
        ),
        pytest.param(
            {APPLIER: frozenset({IMAGE}), MAKER: frozenset({NAME})}, EDITOR, {NAME, IMAGE}, {EDITOR: {NAME, IMAGE}}, id="all of it"
        ),
    ],
)
def test_updates_move_ownership(owners: Owners, manager: Manager, touched: set[Any], expected: dict[Manager, set[Any]]) -> None:
    assert changed_by(owners, manager, [NAME, IMAGE, PHASE, REASON], frozenset(touched), frozenset()) == expected


def test_what_is_gone_is_nobodys() -> None:
    assert changed_by({MAKER: WHOLE, EDITOR: frozenset({IMAGE})}, MAKER, [IMAGE], frozenset(), frozenset({IMAGE})) == {MAKER: WHOLE}


def made(manager: Manager, **fields: Any) -> dict[str, Any]:
    record = entries({manager: WHOLE})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "managedFields": record}, **fields}


def test_the_first_apply_meets_the_one_who_made_the_object() -> None:
    live = made(MAKER, spec={"nodeName": "n", "restartPolicy": "Never"})
    assert live["metadata"]["managedFields"][0]["fieldsV1"] == {".": {}}
    config = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "other"}}
    with pytest.raises(StatusError) as caught:
        apply(live, config, Pod, APPLIER)
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "maker" using v1 at 2025-01-01T00:00:00Z: .spec.nodeName'
    after = apply(live, config, Pod, APPLIER, force=True)
    assert [(one["manager"], one["fieldsV1"]) for one in after["metadata"]["managedFields"]] == [
        ("me", {"f:spec": {"f:nodeName": {}}}),
        ("maker", {"f:spec": {"f:restartPolicy": {}}}),
    ]


def test_an_update_by_another_is_met_by_its_name() -> None:
    live = made(MAKER, spec={"nodeName": "n", "restartPolicy": "Never"})
    edited = {**live, "spec": {"nodeName": "m", "restartPolicy": "Never"}}
    edited["metadata"] = {"name": "p", "managedFields": track_update(live, edited, Pod, EDITOR)}
    assert owners_of(edited) == {MAKER: WHOLE, EDITOR: {("f:spec", "f:nodeName")}}
    config = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "other", "restartPolicy": "Never"}}
    with pytest.raises(StatusError, match='conflict with "editor" using v1'):
        apply(edited, config, Pod, APPLIER)


def test_the_oldest_of_too_many_updaters_become_one() -> None:
    many = {Manager(f"m{n:02}", "Update", "v1", time=f"2025-01-{n + 1:02}T00:00:00Z"): frozenset({("f:spec", f"f:{n}")}) for n in range(12)}
    found = entries({**many, APPLIER: frozenset({NAME})})
    assert [one["manager"] for one in found] == ["me", ANCIENT, *(f"m{n:02}" for n in range(3, 12))]
    assert len(found) == 1 + UPDATERS_LIMIT
    assert found[1]["fieldsV1"] == {"f:spec": {"f:0": {}, "f:1": {}, "f:2": {}}}
