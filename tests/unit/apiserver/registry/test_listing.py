"""Lists: what they select, the pages they come in, the revisions they show."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.api.types.batch_v1 import Job
from pilothouse.api.types.core_v1 import ConfigMap, Namespace, Node, Pod
from pilothouse.client.call import Options
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, config, open_house, pod, refused


async def fill(house: House, count: int = 5) -> None:
    for number in range(count):
        await house.client.create(config(f"c{number}", labels={"odd": str(number % 2)}))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, ["c0", "c1", "c2", "c3", "c4"], id="all"),
        pytest.param({"label_selector": "odd=1"}, ["c1", "c3"], id="a label"),
        pytest.param({"label_selector": "odd notin (1)"}, ["c0", "c2", "c4"], id="a set of labels"),
        pytest.param({"field_selector": "metadata.name=c2"}, ["c2"], id="a name"),
        pytest.param({"field_selector": "metadata.name!=c2"}, ["c0", "c1", "c3", "c4"], id="not a name"),
        pytest.param({"field_selector": "metadata.namespace=other"}, [], id="another namespace"),
        pytest.param({"field_selector": "metadata.name=c2", "label_selector": "odd=1"}, [], id="a name and a label that it has not"),
    ],
)
async def test_selectors(house: House, options: dict[str, str], expected: list[str]) -> None:
    await fill(house)
    page = await house.page(ConfigMap, "default", **options)
    assert [one.name for one in page.entries] == expected


BAD_VERSION = 'invalid resource version: resourceVersion: Invalid value: "new": strconv.ParseUint: parsing "new": invalid syntax'


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        pytest.param(Pod, {"field_selector": "spec.colour=red"}, "field label not supported: spec.colour", id="a pod's field"),
        pytest.param(
            ConfigMap,
            {"field_selector": "data.a=b"},
            '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
            id="a field of a kind without fields",
        ),
        pytest.param(Job, {"field_selector": "a=b"}, 'field label "a" not supported for Job', id="a job's field"),
        pytest.param(Node, {"field_selector": "metadata.namespace=b"}, "field label not supported: metadata.namespace", id="no namespace"),
        pytest.param(ConfigMap, {"label_selector": "a=("}, "unable to parse requirement", id="a label selector that is none"),
        pytest.param(ConfigMap, {"continue_": "nonsense"}, "invalid continue token: ", id="a continue token that is none"),
        pytest.param(ConfigMap, {"resource_version": "new"}, BAD_VERSION, id="a resourceVersion that is none"),
    ],
)
async def test_bad_selectors(house: House, kind: type[object], options: dict[str, str], message: str) -> None:
    async with refused(400, message):
        await house.page(kind, "default", **options)


async def test_pods_are_found_by_their_node(house: House) -> None:
    for number in range(6):
        await house.client.create(pod(f"p{number}", node=f"n{number % 2}"))
    for selector in ("spec.nodeName=n1", "spec.host=n1", "spec.nodeName=n1,status.podIPs="):
        page = await house.page(Pod, field_selector=selector)
        assert [one.name for one in page.entries] == ["p1", "p3", "p5"]


async def test_a_list_of_all_namespaces_is_in_the_order_of_keys(house: House) -> None:
    for name in ("ab", "a-b", "a"):
        await house.client.create(Namespace(metadata=ObjectMeta(name=name)))
        await house.client.create(ConfigMap(metadata=ObjectMeta(name="x", namespace=name)))
    page = await house.page(ConfigMap)
    assert [one.namespace for one in page.entries] == sorted(("ab", "a-b", "a"), key=lambda one: one + "/")


async def pages(house: House, limit: int, **options: str) -> tuple[list[str], list[int | None], set[int]]:
    names, remaining, revisions, token = [], [], set(), ""
    for _ in range(20):
        page = await house.page(ConfigMap, "default", limit=limit, continue_=token, **options)
        names += [one.name for one in page.entries]
        remaining.append(page.remaining)
        revisions.add(page.revision)
        token = page.continue_
        if not token:
            return names, remaining, revisions
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize(("limit", "remaining"), [(2, [3, 1, None]), (5, [None]), (4, [1, None]), (1, [4, 3, 2, 1, None])])
async def test_pages_join_to_the_whole(house: House, limit: int, remaining: list[int | None]) -> None:
    await fill(house)
    names, left, revisions = await pages(house, limit)
    assert names == ["c0", "c1", "c2", "c3", "c4"]
    assert left == remaining
    assert len(revisions) == 1


async def test_pages_of_a_selection_do_not_say_how_much_remains(house: House) -> None:
    await fill(house)
    assert (await pages(house, 1, label_selector="odd=0"))[:2] == (["c0", "c2", "c4"], [None, None, None])


async def test_pages_show_one_moment_whatever_happens_meanwhile(house: House) -> None:
    await fill(house)
    first = await house.page(ConfigMap, "default", limit=2)
    await house.client.delete(ConfigMap, "c3", "default")
    await house.client.create(config("c22"))
    rest = await house.page(ConfigMap, "default", limit=10, continue_=first.continue_)
    assert [one.name for one in rest.entries] == ["c2", "c3", "c4"]
    assert rest.revision == first.revision


async def test_a_page_that_is_too_old_offers_to_go_on_inconsistently(house: House) -> None:
    await fill(house)
    first = await house.page(ConfigMap, "default", limit=2)
    await house.client.create(config("c22"))
    await house.storage.compact(await house.storage.revision())
    with pytest.raises(StatusError, match="The provided continue parameter is too old") as raised:
        await house.page(ConfigMap, "default", limit=2, continue_=first.continue_)
    assert raised.value.code == 410
    rest = await house.page(ConfigMap, "default", continue_=raised.value.status.metadata.continue_)
    assert [one.name for one in rest.entries] == ["c2", "c22", "c3", "c4"]


async def test_a_page_is_too_old_once_its_revision_is_compacted_though_nothing_of_its_kind_has_changed(house: House) -> None:
    await fill(house)
    first = await house.page(ConfigMap, "default", limit=2)
    await house.client.create(pod("another"))
    await house.registry.store.compact(await house.storage.revision())
    with pytest.raises(StatusError, match="The provided continue parameter is too old"):
        await house.page(ConfigMap, "default", limit=2, continue_=first.continue_)


async def test_an_exact_revision_shows_the_past(house: House) -> None:
    await fill(house, 2)
    then = (await house.page(ConfigMap, "default")).revision
    await house.client.create(config("later"))
    page = await house.page(ConfigMap, "default", resource_version=str(then), resource_version_match="Exact")
    assert ([one.name for one in page.entries], page.revision) == (["c0", "c1"], then)


@pytest.mark.parametrize("match", ["", "NotOlderThan"])
async def test_not_older_than_shows_the_present(house: House, match: str) -> None:
    await fill(house, 2)
    then = (await house.page(ConfigMap, "default")).revision
    await house.client.create(config("later"))
    page = await house.page(ConfigMap, "default", resource_version=str(then), resource_version_match=match)
    assert [one.name for one in page.entries] == ["c0", "c1", "later"]


async def test_a_past_that_is_forgotten_is_expired(house: House) -> None:
    await fill(house, 2)
    then = (await house.page(ConfigMap, "default")).revision
    await house.client.create(config("later"))
    await house.storage.compact(await house.storage.revision())
    async with refused(410, "The resourceVersion for the provided list is too old."):
        await house.page(ConfigMap, "default", resource_version=str(then), resource_version_match="Exact")


async def test_a_revision_that_does_not_come_times_out(house: House) -> None:
    async def ask() -> None:
        async with refused(504, "Too large resource version: 9999, current:"):
            await house.page(ConfigMap, "default", resource_version="9999")

    asking = asyncio.create_task(ask())
    await house.clock.advance(5)
    await asking


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"resource_version_match": "Exact"}, "forbidden unless resourceVersion is provided", id="without a version"),
        pytest.param({"resource_version_match": "Exact", "resource_version": "0"}, 'forbidden for resourceVersion "0"', id="exactly any"),
        pytest.param({"resource_version_match": "Roughly", "resource_version": "1"}, "Unsupported value", id="no such match"),
    ],
)
async def test_bad_version_matches(house: House, options: dict[str, str], message: str) -> None:
    async with refused(422, message):
        await house.page(ConfigMap, "default", **options)


async def test_the_client_pages_too(house: House) -> None:
    await fill(house)
    found = await house.client.list(ConfigMap, "default", options=Options(limit=2))
    assert ([one.metadata.name for one in found.items], found.remaining) == (["c0", "c1"], 3)
    assert found.continue_


async def test_a_new_server_on_an_old_store_shows_what_there_is() -> None:
    async with open_house() as house:
        await fill(house, 3)
        async with open_house(house.storage) as second:
            names = [one.name for one in (await second.page(ConfigMap, "default")).entries]
    assert names == ["c0", "c1", "c2"]
