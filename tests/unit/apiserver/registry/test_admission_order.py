"""The order of admission: what mutating plugins see and change, and what the strategy makes of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.apps_v1 import Deployment, DeploymentSpec
from pilothouse.api.types.autoscaling_v1 import Scale
from pilothouse.api.types.core_v1 import Binding, Container, ObjectReference, Pod, PodSpec, PodTemplateSpec, ServiceAccount
from pilothouse.api.types.policy_v1 import Eviction
from pilothouse.apiserver.admission.plugin import AdmissionRequest, Plugin, World
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.call import MERGE_PATCH, Call, Options
from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import LabelSelector, ManagedFieldsEntry, ObjectMeta
from tests.unit.apiserver.registry.house import House, open_house, pod

Change = Callable[[AdmissionRequest], None]


class Changing(Plugin):
    """A webhook or policy: does to the object what the test asks for, and notes what it and validation have seen."""

    name = "Changing"
    changes: ClassVar[list[Change]] = []
    mutated: ClassVar[list[tuple[str, Any]]] = []
    validated: ClassVar[list[tuple[str, Any]]] = []

    def extends(self, request: AdmissionRequest, world: World) -> bool:
        return bool(self.changes)

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        self.mutated.append((label(request), request.object))
        for change in self.changes:
            change(request)

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        self.validated.append((label(request), request.object))


def label(request: AdmissionRequest) -> str:
    return " ".join(part for part in (request.operation, request.resource.plural, request.subresource, request.name) if part)


@pytest.fixture(autouse=True)
def quiet() -> None:
    for seen in (Changing.changes, Changing.mutated, Changing.validated):
        seen.clear()  # type: ignore[attr-defined]


@pytest.fixture
async def house() -> Any:
    async with open_house(plugins=(Changing,)) as house:
        yield house
    Changing.changes.clear()


def deployment(replicas: int = 1) -> Deployment:
    template = PodTemplateSpec(metadata=ObjectMeta(labels={"app": "a"}), spec=PodSpec(containers=[Container(name="c", image="i")]))
    spec = DeploymentSpec(replicas=replicas, selector=LabelSelector(matchLabels={"app": "a"}), template=template)
    return Deployment(metadata=ObjectMeta(name="a", namespace="default"), spec=spec)


async def merge(house: House, body: bytes, subresource: str = "", **options: Any) -> Any:
    call = Call("patch", resource_of(Deployment), "default", "a", subresource, body, MERGE_PATCH, Options(**options))
    return (await house.registry.execute(call, ADMIN)).object  # type: ignore[union-attr]


async def test_a_new_object_has_no_uid_and_no_generated_name_before_mutation_is_over(house: House) -> None:
    Changing.changes.append(lambda request: seen.append((request.name, request.object.metadata.uid, request.object.metadata.name)))
    seen: list[tuple[str, ...]] = []
    made = await house.client.create(pod("", generateName="web-"))
    assert seen[-1] == ("", "", "")
    assert made.metadata.name.startswith("web-")
    assert Changing.validated[-1][0] == f"CREATE pods {made.metadata.name}"


async def test_what_mutation_says_of_a_uid_does_not_count(house: House) -> None:
    Changing.changes.append(lambda request: setattr(request.object.metadata, "uid", "mine"))
    assert (await house.client.create(pod("a"))).metadata.uid != "mine"


async def test_a_mutated_spec_passes_the_generation(house: House) -> None:
    await house.client.create(deployment())
    Changing.changes.append(lambda request: setattr(request.object.spec, "replicas", 5))
    changed = await merge(house, b'{"metadata":{"labels":{"a":"b"}}}')
    assert (changed.spec.replicas, changed.metadata.generation) == (5, 2)


async def test_mutation_of_the_status_through_the_object_is_reset(house: House) -> None:
    Changing.changes.append(lambda request: setattr(request.object.status, "replicas", 7))
    made = await house.client.create(deployment())
    changed = await merge(house, b'{"metadata":{"labels":{"a":"b"}}}')
    assert (made.status.replicas, changed.status.replicas) == (0, 0)


async def test_mutation_of_the_spec_through_the_status_is_reset(house: House) -> None:
    await house.client.create(deployment())

    def change(request: AdmissionRequest) -> None:
        request.object.status.readyReplicas = 3
        assert request.object.spec.replicas == 1

    Changing.changes.append(change)
    changed = await merge(house, b'{"status":{"replicas":3}}', "status")
    assert (changed.status.readyReplicas, changed.status.replicas, changed.spec.replicas) == (3, 3, 1)


async def test_what_mutation_adds_is_nobodys(house: House) -> None:
    await house.client.create(deployment())
    Changing.changes.append(lambda request: request.object.metadata.annotations.update(added="yes"))
    changed = await merge(house, b'{"metadata":{"labels":{"asked":"yes"}}}', field_manager="me")
    mine = next(each for each in changed.metadata.managedFields if each.manager == "me")
    assert "f:asked" in codec.encode(mine).decode()
    assert changed.metadata.annotations == {"added": "yes"}
    assert not any("f:added" in codec.encode(each).decode() for each in changed.metadata.managedFields)


async def test_a_record_that_mutation_spoils_is_put_back_with_a_warning(house: House) -> None:
    await house.client.create(deployment())
    Changing.changes.append(lambda request: setattr(request.object.metadata, "managedFields", [ManagedFieldsEntry(manager="me")]))
    warnings: list[str] = []
    call = Call("patch", resource_of(Deployment), "default", "a", "", b'{"metadata":{"labels":{"a":"b"}}}', MERGE_PATCH)
    changed: Any = await house.registry.execute(call, ADMIN, warnings=warnings)
    assert [each.operation for each in changed.object.metadata.managedFields] == ["Update"]
    assert warnings == [
        ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission "
        "controller; please fix your requests: operation must be `Apply` or `Update`"
    ]


async def test_a_scale_is_shown_as_a_scale_and_may_be_changed(house: House) -> None:
    await house.client.create(deployment())
    Changing.changes.append(lambda request: setattr(request.object.spec, "replicas", request.object.spec.replicas + 1))
    body = b'{"spec":{"replicas":3}}'
    scale = await merge(house, body, "scale")
    assert (scale.spec.replicas, type(Changing.mutated[-1][1]), type(Changing.validated[-1][1])) == (4, Scale, Scale)
    assert Changing.validated[-1][1].spec.replicas == 4
    assert (await house.client.get(Deployment, "a", "default")).metadata.generation == 2


async def test_actions_show_what_they_are_sent(house: House) -> None:
    await house.client.create(ServiceAccount(metadata=ObjectMeta(name="me", namespace="default")))
    await house.client.create(pod("a"))
    resource = resource_of(Pod)
    binding = Binding(metadata=ObjectMeta(name="a", namespace="default"), target=ObjectReference(kind="Node", name="n"))
    await house.registry.execute(Call("create", resource, "default", "a", "binding", binding), ADMIN)
    eviction = Eviction(metadata=ObjectMeta(name="a", namespace="default"))
    await house.registry.execute(Call("create", resource, "default", "a", "eviction", eviction), ADMIN)
    expected = [("CREATE pods binding a", Binding), ("CREATE pods eviction a", Eviction)]
    for seen in (Changing.mutated, Changing.validated):
        assert [(what, type(obj)) for what, obj in seen if what.startswith("CREATE pods ") and what.endswith(" a")][-2:] == expected
    assert not any(what.startswith("DELETE") for what, _ in Changing.validated), "an eviction is no delete to admission"


async def test_of_a_collection_each_object_is_shown_without_its_name(house: House) -> None:
    for name in ("a", "b"):
        await house.client.create(pod(name))
    await house.registry.execute(Call("deletecollection", resource_of(Pod), "default"), ADMIN)
    assert [what for what, _ in Changing.validated if what.startswith("DELETE")] == ["DELETE pods", "DELETE pods"]
