"""Events have two faces: the older one takes what old clients send, the newer one is strict."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types import core_v1
from pilothouse.api.types.core_v1 import ObjectReference
from pilothouse.api.types.events_v1 import Event, EventSeries
from pilothouse.machinery.codec import clone
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, refused

NOW = "2025-01-01T00:00:00.000000Z"
RIGHT: dict[str, Any] = {
    "eventTime": NOW,
    "regarding": ObjectReference(kind="Pod", namespace="default", name="a"),
    "reportingController": "test",
    "reportingInstance": "one",
    "action": "Seeing",
    "reason": "Seen",
    "type": "Normal",
}


def event(name: str = "a", **fields: Any) -> Event:
    return Event(metadata=ObjectMeta(name=name, namespace="default"), **{**RIGHT, **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"eventTime": ""}, "eventTime: Required value", id="no time"),
        pytest.param({"type": "Odd"}, 'type: Invalid value: "": has invalid value: Odd', id="neither normal nor a warning"),
        pytest.param({"deprecatedCount": 2}, 'count: Invalid value: "": needs to be unset', id="with the old count"),
        pytest.param({"deprecatedFirstTimestamp": "2025-01-01T00:00:00Z"}, "firstTimestamp: Invalid value", id="with an old time"),
        pytest.param({"deprecatedSource": core_v1.EventSource(component="x")}, "source: Invalid value", id="with the old source"),
        pytest.param({"name": "A_b"}, 'metadata.name: Invalid value: "A_b"', id="a name that is none"),
        pytest.param({"series": EventSeries(count=1)}, 'series.count: Invalid value: "": should be at least 2', id="a series of one"),
        pytest.param({"series": EventSeries(count=2)}, "series.lastObservedTime: Required value", id="a series without a time"),
    ],
)
async def test_a_new_event_of_the_newer_face_says_all_and_nothing_old(house: House, fields: dict[str, Any], message: str) -> None:
    async with refused(422, message):
        await house.client.create(event(**fields))


async def test_the_older_face_takes_what_the_newer_refuses(house: House) -> None:
    about = ObjectReference(kind="ClusterRole", name="system:Odd_name")
    made = await house.client.create(
        core_v1.Event(metadata=ObjectMeta(name="system:Odd_name.17", namespace="default"), involvedObject=about, type="Odd", count=3)
    )
    changed = clone(made)
    changed.message, changed.count = "other", 4
    assert (await house.client.update(changed)).message == "other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"series": EventSeries(count=2, lastObservedTime=NOW)}, "", id="the series"),
        pytest.param({"series": EventSeries(count=1, lastObservedTime=NOW)}, "series.count: Invalid value", id="a series that is none"),
        pytest.param({"note": "other"}, 'message: Invalid value: "other": field is immutable', id="the note"),
        pytest.param({"type": "Warning"}, 'type: Invalid value: "Warning": field is immutable', id="the type"),
        pytest.param({"reportingController": "b"}, 'reportingController: Invalid value: "b": field is immutable', id="who told it"),
    ],
)
async def test_through_the_newer_face_only_the_series_goes_on(house: House, change: dict[str, Any], message: str) -> None:
    wanted = clone(await house.client.create(event()))
    for name, value in change.items():
        setattr(wanted, name, value)
    if not message:
        assert (await house.client.update(wanted)).series == change["series"]
        return
    async with refused(422, message):
        await house.client.update(wanted)
