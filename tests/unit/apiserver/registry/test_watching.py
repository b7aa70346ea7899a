"""Watches: where they begin, what they show, how they go on after a break, how they end."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types import autoscaling_v1, autoscaling_v2
from pilothouse.api.types.core_v1 import Binding, ConfigMap, ObjectReference, Pod
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.cache.event import INITIAL_EVENTS_END
from pilothouse.client.call import Call, Options
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, config, open_house, pod, refused, take, told, watching


async def relabel(house: House, name: str, **labels: str) -> None:
    await house.client.patch(ConfigMap, name, "default", orjson.dumps({"metadata": {"labels": labels}}))


@pytest.mark.parametrize("version", ["", "0"], ids=["no version", "any version"])
async def test_a_watch_without_a_version_begins_with_what_there_is(house: House, version: str) -> None:
    await house.client.create(config("a"))
    await house.client.create(config("b"))
    async with watching(house, ConfigMap, "default", resource_version=version) as events:
        assert told(await take(events, 2)) == [("ADDED", "a"), ("ADDED", "b")]
        await house.client.delete(ConfigMap, "a", "default")
        assert told(await take(events, 1)) == [("DELETED", "a")]


async def test_a_watch_from_a_version_shows_what_came_after(house: House) -> None:
    made = await house.client.create(config("a"))
    await relabel(house, "a", x="y")
    await house.client.create(config("b"))
    async with watching(house, ConfigMap, "default", resource_version=made.metadata.resourceVersion) as events:
        assert told(await take(events, 2)) == [("MODIFIED", "a"), ("ADDED", "b")]


async def test_a_deleted_object_comes_with_the_version_of_its_end(house: House) -> None:
    made = await house.client.create(config("a", labels={"x": "y"}))
    async with watching(house, ConfigMap, resource_version=made.metadata.resourceVersion) as events:
        await house.client.delete(ConfigMap, "a", "default")
        (gone,) = await take(events, 1)
    assert gone.object.metadata.labels == {"x": "y"}
    assert int(gone.object.metadata.resourceVersion) == await house.storage.revision()
    assert made.metadata.resourceVersion != gone.object.metadata.resourceVersion


async def test_the_line_of_an_event_is_made_once_for_all(house: House) -> None:
    call = Call("watch", resource_of(ConfigMap), options=Options(resource_version=str(await house.storage.revision())))
    first, second = [await house.registry.open_watch(call, ADMIN) for _ in range(2)]
    made = await house.client.create(config("a"))
    one, other = await anext(first), await anext(second)
    assert one.encoded is other.encoded
    assert orjson.loads(one.encoded) == {"type": "ADDED", "object": orjson.loads(one.entry.encoded)}
    assert orjson.loads(one.encoded)["object"]["metadata"]["resourceVersion"] == made.metadata.resourceVersion
    await first.aclose()
    await second.aclose()


async def test_an_object_comes_into_a_selection_and_goes_out_of_it(house: House) -> None:
    made = await house.client.create(config("a"))
    async with watching(house, ConfigMap, "default", resource_version=made.metadata.resourceVersion, label_selector="x=y") as events:
        await relabel(house, "a", x="y")
        await relabel(house, "a", other="z")
        await relabel(house, "a", x="n")
        await relabel(house, "a", x="y")
        await house.client.delete(ConfigMap, "a", "default")
        found = await take(events, 5)
    assert told(found) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("DELETED", "a")]
    assert found[2].object.metadata.labels["x"] == "y", "the last state that matched"
    revisions = [int(one.object.metadata.resourceVersion) for one in found]
    assert revisions == sorted(set(revisions))


async def test_a_kubelet_sees_a_pod_when_it_is_bound(house: House) -> None:
    async with watching(house, Pod, resource_version="0", field_selector="spec.nodeName=n") as events:
        await house.client.create(pod("a"))
        await house.client.create(pod("b"))
        await house.client.create_subresource(Pod, "b", "default", "binding", Binding(target=ObjectReference(kind="Node", name="n")))
        assert told(await take(events, 1)) == [("ADDED", "b")]


async def test_a_watch_of_one_name_sees_no_other(house: House) -> None:
    async with watching(house, ConfigMap, "default", resource_version="0", field_selector="metadata.name=b") as events:
        for name in "abc":
            await house.client.create(config(name))
        assert told(await take(events, 1)) == [("ADDED", "b")]


async def test_a_version_that_is_forgotten_is_expired(house: House) -> None:
    made = await house.client.create(config("a"))
    await relabel(house, "a", x="y")
    await house.storage.compact(await house.storage.revision())
    version = made.metadata.resourceVersion
    async with (
        open_house(house.storage) as second,
        refused(410, f"too old resource version: {version}"),
        watching(second, ConfigMap, resource_version=version) as events,
    ):
        await take(events, 1)


async def test_a_watch_resumes_over_a_restart(house: House) -> None:
    made = await house.client.create(config("a"))
    await relabel(house, "a", x="y")
    await house.client.create(config("b"))
    await house.client.delete(ConfigMap, "a", "default")
    async with open_house(house.storage) as second:
        async with watching(second, ConfigMap, "default", resource_version=made.metadata.resourceVersion) as events:
            found = await take(events, 3)
            assert told(found) == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
            assert found[2].object.metadata.labels == {"x": "y"}
        selected = {"label_selector": "x=y", "resource_version": made.metadata.resourceVersion}
        async with watching(second, ConfigMap, "default", **selected) as events:
            assert told(await take(events, 2)) == [("ADDED", "a"), ("DELETED", "a")]


async def test_a_watch_resumes_beyond_the_ring(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.apiserver.cache.cache.RING_LIMIT", 3)
    made = await house.client.create(config("a"))
    for number in range(8):
        await house.client.create(config(f"b{number}"))
    async with watching(house, ConfigMap, "default", resource_version=made.metadata.resourceVersion) as events:
        assert told(await take(events, 8)) == [("ADDED", f"b{number}") for number in range(8)]


async def test_bookmarks_come_each_minute(house: House) -> None:
    call = {"resource_version": str(await house.storage.revision()), "allow_watch_bookmarks": True}
    async with watching(house, ConfigMap, **call) as events:
        taking = asyncio.create_task(take(events, 1))
        await house.clock.advance(1)
        await house.client.create(pod("elsewhere"))
        await house.clock.advance(60)
        (bookmark,) = await taking
    assert bookmark.type == "BOOKMARK"
    assert bookmark.object.metadata.resourceVersion == str(await house.storage.revision())
    assert bookmark.object.metadata.name == ""


async def test_initial_events_end_with_a_bookmark_that_says_so(house: House) -> None:
    await house.client.create(config("a"))
    options: dict[str, Any] = {
        "send_initial_events": True,
        "resource_version_match": "NotOlderThan",
        "allow_watch_bookmarks": True,
    }
    async with watching(house, ConfigMap, "default", **options) as events:
        first, end = await take(events, 2)
    assert (first.type, end.type) == ("ADDED", "BOOKMARK")
    assert end.object.metadata.annotations == {"k8s.io/initial-events-end": "true"}
    assert int(end.object.metadata.resourceVersion) >= int(first.object.metadata.resourceVersion)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"send_initial_events": True, "allow_watch_bookmarks": True},
            "requires setting resourceVersionMatch to NotOlderThan",
            id="initial events without a match",
        ),
        pytest.param({"resource_version_match": "Exact"}, "resourceVersionMatch is forbidden for watch", id="a match alone"),
    ],
)
async def test_bad_options(house: House, options: dict[str, Any], message: str) -> None:
    async with refused(422, message), watching(house, ConfigMap, **options) as events:
        await take(events, 1)


async def test_a_version_that_is_none(house: House) -> None:
    cause = 'resourceVersion: Invalid value: "new": strconv.ParseUint: parsing "new": invalid syntax'
    async with refused(500, cause), watching(house, ConfigMap, resource_version="new") as events:
        await take(events, 1)


async def test_a_watch_ends_at_its_timeout(house: House) -> None:
    async with watching(house, ConfigMap, resource_version="0", timeout_seconds=10, allow_watch_bookmarks=True) as events:
        taking = asyncio.create_task(take(events, 2))
        await house.clock.advance(11)
        ended = [(one.type, INITIAL_EVENTS_END in one.object.metadata.annotations) for one in await taking]
        assert ended == [("BOOKMARK", True), ("BOOKMARK", False)], "upstream tells the end of the initial state to old watches, too"
        with pytest.raises(StopAsyncIteration):
            await anext(events)


@pytest.mark.parametrize(
    ("limit", "value"), [pytest.param("PENDING_LIMIT", 2, id="by events"), pytest.param("PENDING_LIMIT_BYTES", 500, id="by bytes")]
)
async def test_a_watcher_that_does_not_read_is_ended(house: House, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(f"pilothouse.apiserver.cache.watch.{limit}", value)
    for number in range(4):
        await house.client.create(config(f"a{number}"))
    watch = await house.registry.open_watch(Call("watch", resource_of(ConfigMap), "default", options=Options(resource_version="0")), ADMIN)
    for number in range(5):
        await house.client.create(config(f"b{number}"))
    assert [one.entry.name async for one in watch] == ["a0", "a1", "a2", "a3"], "the state that it began with counts for nothing"
    assert watch not in list((await house.registry.store.cache_of(ConfigMap)).watches())


async def test_a_watcher_that_reads_in_time_sees_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.apiserver.cache.watch.PENDING_LIMIT", 2)
    watch = await house.registry.open_watch(Call("watch", resource_of(ConfigMap), "default", options=Options(resource_version="1")), ADMIN)
    for number in range(6):
        await house.client.create(config(f"c{number}"))
        assert (await anext(watch)).entry.name == f"c{number}"
    await watch.aclose()


async def test_closed_watches_are_forgotten(house: House) -> None:
    call = Call("watch", resource_of(Pod), "default", options=Options(resource_version="0"))
    watches = [await house.registry.open_watch(call, ADMIN) for _ in range(3)]
    cache = await house.registry.store.cache_of(Pod)
    assert len(list(cache.watches())) == 3
    for watch in watches:
        await watch.aclose()
    assert list(cache.watches()) == []


async def test_a_kind_of_two_versions_is_watched_in_both(house: House) -> None:
    target = autoscaling_v2.CrossVersionObjectReference(apiVersion="apps/v1", kind="Deployment", name="web")
    scaler = autoscaling_v2.HorizontalPodAutoscaler(
        metadata=ObjectMeta(name="web", namespace="default"),
        spec=autoscaling_v2.HorizontalPodAutoscalerSpec(maxReplicas=3, scaleTargetRef=target),
    )
    async with (
        watching(house, autoscaling_v1.HorizontalPodAutoscaler, resource_version="0") as old,
        watching(house, autoscaling_v2.HorizontalPodAutoscaler, resource_version="0") as new,
    ):
        await house.client.create(scaler)
        seen = (await take(old, 1))[0].object, (await take(new, 1))[0].object
    assert [type(one).GVK[1] for one in seen] == ["v1", "v2"]
    assert seen[0].metadata.resourceVersion == seen[1].metadata.resourceVersion
    converted = clone(await house.client.get(autoscaling_v1.HorizontalPodAutoscaler, "web", "default"))
    converted.spec.maxReplicas = 7
    await house.client.update(converted)
    assert (await house.client.get(autoscaling_v2.HorizontalPodAutoscaler, "web", "default")).spec.maxReplicas == 7


async def test_the_state_of_a_version_from_the_future_is_refused_after_a_while(house: House) -> None:
    async def ask() -> None:
        options = Options(resource_version="9999", send_initial_events=True, resource_version_match="NotOlderThan")
        with pytest.raises(StatusError, match="Too large resource version"):
            await house.registry.open_watch(Call("watch", resource_of(Pod), options=options), ADMIN)

    asking = asyncio.create_task(ask())
    await house.clock.advance(5)
    await asking


async def test_a_watch_from_a_version_of_the_future_is_silent_until_then(house: House) -> None:
    first = await house.client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="default")))
    now = int(first.metadata.resourceVersion)
    async with watching(house, ConfigMap, resource_version=str(now + 2)) as events:
        for name in "bcde":
            await house.client.create(ConfigMap(metadata=ObjectMeta(name=name, namespace="default")))
        assert [event.object.metadata.name for event in await take(events, 2)] == ["d", "e"]


@pytest.mark.parametrize("seconds", [1, 2, 30])
async def test_a_last_bookmark_comes_two_seconds_before_the_end(house: House, seconds: int) -> None:
    options = Options(resource_version=str(await house.storage.revision()), timeout_seconds=seconds, allow_watch_bookmarks=True)
    watch = await house.registry.open_watch(Call("watch", resource_of(ConfigMap), options=options), ADMIN)
    await house.clock.advance(seconds + 1)
    assert [event.type async for event in watch] == (["BOOKMARK"] if seconds > 2 else [])
    await watch.aclose()


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        pytest.param("metadata.name=a,metadata.name=b", [], id="two names"),
        pytest.param("metadata.name=a,metadata.name=a", ["a"], id="one name twice"),
        pytest.param("metadata.name=a,metadata.name!=b", ["a"], id="a name, and not another"),
        pytest.param("metadata.name!=a,metadata.name!=c", ["b"], id="neither of two"),
    ],
)
@pytest.mark.parametrize("namespace", ["default", ""])
async def test_a_field_that_is_named_twice_must_be_both(house: House, selector: str, names: list[str], namespace: str) -> None:
    for name in "abc":
        await house.client.create(ConfigMap(metadata=ObjectMeta(name=name, namespace="default")))
    options = Options(field_selector=selector)
    listed = await house.registry.execute(Call("list", resource_of(ConfigMap), namespace, options=options), ADMIN)
    assert [entry.name for entry in listed.entries if entry.namespace == "default"] == names
