"""Delete: at once, with grace, with finalizers, with preconditions, of many."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core_v1 import ConfigMap, Namespace, Pod
from pilothouse.client.call import Options
from pilothouse.machinery.codec import clone
from pilothouse.machinery.meta_v1 import ObjectMeta, Status
from tests.unit.apiserver.registry.house import House, config, pod, refused, take, told, watching


async def test_what_nothing_holds_is_gone_at_once(house: House) -> None:
    made = await house.client.create(config("a"))
    answer = await house.client.delete(ConfigMap, "a", "default")
    assert isinstance(answer, Status)
    assert answer.status == "Success"
    assert answer.details is not None
    assert (answer.details.name, answer.details.kind, answer.details.uid) == ("a", "configmaps", made.metadata.uid)
    async with refused(404, 'configmaps "a" not found'):
        await house.client.get(ConfigMap, "a", "default")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(Options(precondition_uid="other"), "the UID in the precondition (other) does not match the UID in record", id="uid"),
        pytest.param(Options(precondition_resource_version="1"), "the ResourceVersion in the precondition (1)", id="resourceVersion"),
    ],
)
async def test_preconditions_must_hold(house: House, options: Options, message: str) -> None:
    await house.client.create(config("a"))
    async with refused(409, message):
        await house.client.delete(ConfigMap, "a", "default", options=options)


@pytest.mark.parametrize(
    ("grace", "expected", "until"),
    [
        pytest.param(None, 30, "2025-01-01T00:00:30Z", id="the pod's own grace"),
        pytest.param(5, 5, "2025-01-01T00:00:05Z", id="the client's grace"),
    ],
)
async def test_a_pod_on_a_node_ends_with_grace(house: House, grace: int | None, expected: int, until: str) -> None:
    await house.client.create(pod("a", node="n"))
    answer = await house.client.delete(Pod, "a", "default", options=Options(grace_period_seconds=grace))
    assert (answer.metadata.deletionTimestamp, answer.metadata.deletionGracePeriodSeconds) == (until, expected)
    assert answer.metadata.generation == 2
    assert (await house.client.get(Pod, "a", "default")).metadata.deletionTimestamp == until


async def test_a_second_delete_can_only_hasten_the_end(house: House) -> None:
    await house.client.create(pod("a", node="n"))
    await house.client.delete(Pod, "a", "default")
    before = await house.storage.revision()
    await house.client.delete(Pod, "a", "default", options=Options(grace_period_seconds=60))
    await house.client.delete(Pod, "a", "default")
    assert await house.storage.revision() == before
    after = await house.client.delete(Pod, "a", "default", options=Options(grace_period_seconds=3))
    assert after.metadata.deletionGracePeriodSeconds == 3
    await house.client.delete(Pod, "a", "default", options=Options(grace_period_seconds=0))
    async with refused(404, "not found"):
        await house.client.get(Pod, "a", "default")


async def test_a_pod_without_a_node_goes_at_once(house: House) -> None:
    await house.client.create(pod("a"))
    answer = await house.client.delete(Pod, "a", "default")
    assert isinstance(answer, Pod)
    async with refused(404, "not found"):
        await house.client.get(Pod, "a", "default")


async def test_finalizers_hold_until_the_last_is_taken(house: House) -> None:
    await house.client.create(config("a", finalizers=["example.com/one", "example.com/two"]))
    answer = clone(await house.client.delete(ConfigMap, "a", "default"))
    assert answer.metadata.deletionTimestamp
    assert answer.metadata.deletionGracePeriodSeconds == 0
    async with watching(house, ConfigMap, "default", resource_version=answer.metadata.resourceVersion) as events:
        answer.metadata.finalizers = ["example.com/two"]
        answer = clone(await house.client.update(answer))
        answer.metadata.finalizers = []
        await house.client.update(answer)
        assert told(await take(events, 2)) == [("MODIFIED", "a"), ("DELETED", "a")]
    async with refused(404, "not found"):
        await house.client.get(ConfigMap, "a", "default")


async def test_no_finalizer_is_added_to_what_ends(house: House) -> None:
    await house.client.create(config("a", finalizers=["example.com/one"]))
    answer = clone(await house.client.delete(ConfigMap, "a", "default"))
    answer.metadata.finalizers = ["example.com/one", "example.com/two"]
    async with refused(422, "no new finalizers can be added if the object is being deleted"):
        await house.client.update(answer)


async def test_a_grace_and_finalizers_both_hold(house: House) -> None:
    await house.client.create(pod("a", node="n", finalizers=["example.com/one"]))
    await house.client.delete(Pod, "a", "default")
    after = clone(await house.client.delete(Pod, "a", "default", options=Options(grace_period_seconds=0)))
    assert after.metadata.deletionGracePeriodSeconds == 0
    after.metadata.finalizers = []
    await house.client.update(after)
    async with refused(404, "not found"):
        await house.client.get(Pod, "a", "default")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(Options(propagation_policy="Foreground"), ["example.com/a", "foregroundDeletion"], id="foreground"),
        pytest.param(Options(propagation_policy="Orphan"), ["example.com/a", "orphan"], id="orphan"),
        pytest.param(Options(orphan_dependents=True), ["example.com/a", "orphan"], id="orphan, said the old way"),
        pytest.param(Options(propagation_policy="Background"), ["example.com/a"], id="background"),
        pytest.param(Options(), ["example.com/a"], id="nothing said"),
    ],
)
async def test_propagation_becomes_finalizers(house: House, options: Options, expected: list[str]) -> None:
    await house.client.create(config("a", finalizers=["example.com/a"]))
    after = await house.client.delete(ConfigMap, "a", "default", options=options)
    assert after.metadata.finalizers == expected


async def test_background_takes_the_finalizers_of_another_propagation(house: House) -> None:
    await house.client.create(config("a"))
    await house.client.delete(ConfigMap, "a", "default", options=Options(propagation_policy="Foreground"))
    await house.client.delete(ConfigMap, "a", "default", options=Options(propagation_policy="Background"))
    async with refused(404, "not found"):
        await house.client.get(ConfigMap, "a", "default")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(Options(propagation_policy="Sideways"), id="no such policy"),
        pytest.param(Options(propagation_policy="Orphan", orphan_dependents=True), id="both ways of saying"),
    ],
)
async def test_a_propagation_that_is_none_is_refused(house: House, options: Options) -> None:
    await house.client.create(config("a"))
    async with refused(422, "propagationPolicy"):
        await house.client.delete(ConfigMap, "a", "default", options=options)


async def test_of_a_collection_goes_what_is_selected(house: House) -> None:
    for number in range(6):
        await house.client.create(config(f"c{number}", labels={"odd": str(number % 2)}))
    gone = await house.client.delete_collection(ConfigMap, "default", options=Options(label_selector="odd=1"))
    assert [one.metadata.name for one in gone.items] == ["c1", "c3", "c5"]
    assert [one.metadata.name for one in (await house.client.list(ConfigMap, "default")).items] == ["c0", "c2", "c4"]


async def test_a_namespace_ends_when_its_own_finalizer_goes(house: House) -> None:
    await house.client.create(Namespace(metadata=ObjectMeta(name="going")))
    answer = clone(await house.client.delete(Namespace, "going"))
    assert (answer.status.phase, answer.spec.finalizers) == ("Terminating", ["kubernetes"])
    await house.client.delete(Namespace, "going")
    answer.spec.finalizers = []
    await house.client.update(answer, subresource="finalize")
    async with refused(404, 'namespaces "going" not found'):
        await house.client.get(Namespace, "going")


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_the_first_namespaces_stay(house: House, name: str) -> None:
    async with refused(403, f'namespaces "{name}" is forbidden: this namespace may not be deleted'):
        await house.client.delete(Namespace, name)


async def test_what_is_on_its_way_out_still_has_its_name(house: House) -> None:
    await house.client.create(config("a", finalizers=["example.com/one"]))
    await house.client.delete(ConfigMap, "a", "default")
    async with refused(409, 'object is being deleted: configmaps "a" already exists'):
        await house.client.create(config("a"))
