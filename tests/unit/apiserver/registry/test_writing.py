"""Create, update and patch: what the server fills in, keeps, and refuses."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import orjson
import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.admissionregistration_v1 import ValidatingWebhookConfiguration
from pilothouse.api.types.apiregistration_v1 import APIService
from pilothouse.api.types.apps_v1 import ControllerRevision, Deployment, DeploymentSpec
from pilothouse.api.types.coordination_v1 import Lease
from pilothouse.api.types.core_v1 import ConfigMap, Container, Namespace, Node, NodeSpec, Pod, PodSpec, PodTemplate, PodTemplateSpec
from pilothouse.api.types.networking_v1 import IPAddress
from pilothouse.api.types.node_v1 import RuntimeClass
from pilothouse.api.types.rbac_v1 import ClusterRole
from pilothouse.api.types.storage_v1 import CSINode
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.registry.strategy import prepare_create
from pilothouse.apiserver.storage.interface import StorageFailed
from pilothouse.client.call import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, Call, Options
from pilothouse.machinery.codec import clone, decode, encode
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta, OwnerReference
from tests.unit.apiserver.registry.house import House, config, pod, refused


def deployment(name: str, replicas: int = 1) -> Deployment:
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": name}), spec=PodSpec(containers=[Container(name="main", image="image:1")])
    )
    spec = DeploymentSpec(replicas=replicas, selector=LabelSelector(matchLabels={"app": name}), template=template)
    return Deployment(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


async def test_create_fills_in_what_only_the_server_knows(house: House) -> None:
    wanted = pod("a", deletionTimestamp="2020-01-01T00:00:00Z", uid="mine", creationTimestamp="2020-01-01T00:00:00Z", generation=7)
    wanted.status.phase = "Running"
    made = await house.client.create(wanted)
    meta = made.metadata
    assert meta.uid not in ("", "mine")
    assert meta.creationTimestamp == "2025-01-01T00:00:00Z"
    assert (meta.deletionTimestamp, meta.generation, made.status.phase) == ("", 1, "Pending")
    assert int(meta.resourceVersion) > 0
    assert wanted.metadata.uid == "mine", "the client's own object stays as it was"


async def test_the_bytes_of_an_entry_are_its_object(house: House) -> None:
    await house.client.create(config("a", labels={"x": "y"}))
    entry = await house.entry(ConfigMap, "a")
    assert entry.encoded == encode(entry.object)
    assert orjson.loads(entry.encoded)["metadata"]["resourceVersion"] == str(entry.revision)
    assert b"resourceVersion" not in entry.value


async def test_generated_names_are_told_apart(house: House) -> None:
    made = [await house.client.create(ConfigMap(metadata=ObjectMeta(generateName="a-", namespace="default"))) for _ in range(3)]
    names = {one.metadata.name for one in made}
    assert len(names) == 3
    assert all(one.startswith("a-") and len(one) == 7 for one in names)


async def test_a_generated_name_that_is_taken_is_generated_again(house: House) -> None:
    house.registry.store.entropy.suffix = iter(["same1", "same1", "same1", "other"]).__next__  # type: ignore[assignment,method-assign]
    for _ in range(2):
        last = await house.client.create(ConfigMap(metadata=ObjectMeta(generateName="a-", namespace="default")))
    assert last.metadata.name == "a-other"


async def test_names_are_not_generated_for_ever(house: House) -> None:
    house.registry.store.entropy.suffix = lambda length=5: "same1"  # type: ignore[method-assign]
    await house.client.create(ConfigMap(metadata=ObjectMeta(generateName="a-", namespace="default")))
    with pytest.raises(StatusError) as caught:
        await house.client.create(ConfigMap(metadata=ObjectMeta(generateName="a-", namespace="default")))
    text = 'configmaps "a-same1" already exists, the server was not able to generate a unique name for the object'
    assert (caught.value.code, caught.value.status.message) == (409, text)
    assert caught.value.status.details is not None
    assert caught.value.status.details.retryAfterSeconds == 1


@pytest.mark.parametrize(
    ("obj", "code", "message"),
    [
        pytest.param(config("kube"), 409, 'configmaps "kube" already exists', id="a name that is taken"),
        pytest.param(config("Bad"), 422, 'metadata.name: Invalid value: "Bad"', id="a name that is none"),
        pytest.param(ConfigMap(metadata=ObjectMeta(namespace="default")), 422, "name or generateName is required", id="no name"),
        pytest.param(
            config("a", resourceVersion="5"), 500, "resourceVersion should not be set on objects to be created", id="a resourceVersion"
        ),
        pytest.param(
            ConfigMap(metadata=ObjectMeta(name="a", namespace="nowhere")), 404, 'namespaces "nowhere" not found', id="no such namespace"
        ),
        pytest.param(config("a", labels={"-": "y"}), 422, "metadata.labels", id="a label that is none"),
    ],
)
async def test_create_refuses(house: House, obj: ConfigMap, code: int, message: str) -> None:
    await house.client.create(config("kube"))
    before = await house.storage.revision()
    async with refused(code, message):
        await house.client.create(obj)
    assert await house.storage.revision() == before, "nothing half-written"


async def test_create_refuses_another_namespace_than_the_urls(house: House) -> None:
    async with refused(400, "the namespace of the provided object does not match the namespace sent on the request"):
        await house.registry.execute(Call("create", resource_of(ConfigMap), "kube-system", body=config("a")), ADMIN)


async def test_what_lies_in_no_namespace_is_freed_of_what_it_says_of_one(house: House) -> None:
    meta = ObjectMeta(name="a", namespace="team")
    call = Call("create", resource_of(ClusterRole), "", body=ClusterRole(metadata=clone(meta)))
    assert (await house.registry.execute(call, ADMIN)).object.metadata.namespace == ""
    call = Call("update", resource_of(ClusterRole), "", "a", body=ClusterRole(metadata=clone(meta)))
    assert (await house.registry.execute(call, ADMIN)).object.metadata.namespace == ""
    body = orjson.dumps({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a", "namespace": "b"}})
    for patch_type in (MERGE_PATCH, APPLY_PATCH):
        after = await house.client.patch(ClusterRole, "a", "", body, patch_type=patch_type, options=Options(field_manager="me"))
        assert after.metadata.namespace == ""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"namespace": "other"}, "the namespace of the provided object does not match", id="another namespace"),
        pytest.param({"name": None}, "the name of the object (a based on URL) was undeterminable: name must be provided", id="no name"),
        pytest.param({"name": "b"}, "the name of the object (b) does not match the name on the URL (a)", id="another name"),
    ],
)
async def test_a_patch_moves_nothing(house: House, body: dict[str, Any], message: str) -> None:
    await house.client.create(config("a"))
    async with refused(400, message):
        await house.client.patch(ConfigMap, "a", "default", orjson.dumps({"metadata": body}), patch_type=MERGE_PATCH)


async def test_nothing_is_made_in_a_namespace_that_ends(house: House) -> None:
    await house.client.create(Namespace(metadata=ObjectMeta(name="going")))
    await house.client.delete(Namespace, "going")
    async with refused(403, "unable to create new content in namespace going because it is being terminated"):
        await house.client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="going")))


async def test_update_replaces_and_passes_a_revision(house: House) -> None:
    made = clone(await house.client.create(config("a")))
    made.data["key"] = "value"
    after = await house.client.update(made)
    assert after.data == {"key": "value"}
    assert int(after.metadata.resourceVersion) > int(made.metadata.resourceVersion)
    assert after.metadata.uid == made.metadata.uid


async def test_an_update_that_changes_nothing_is_none(house: House) -> None:
    made = await house.client.create(config("a"))
    before = await house.storage.revision()
    assert (await house.client.update(made)).metadata.resourceVersion == made.metadata.resourceVersion
    assert await house.storage.revision() == before


async def test_an_update_of_an_old_version_conflicts(house: House) -> None:
    made = clone(await house.client.create(config("a")))
    made.data["key"] = "first"
    await house.client.update(made)
    made.data["key"] = "second"
    async with refused(409, 'Operation cannot be fulfilled on configmaps "a": the object has been modified'):
        await house.client.update(made)


async def test_an_update_without_a_version_wins(house: House) -> None:
    await house.client.create(config("a"))
    after = await house.client.update(ConfigMap(metadata=ObjectMeta(name="a", namespace="default"), data={"k": "v"}))
    assert after.data == {"k": "v"}


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        pytest.param({"uid": "other"}, 409, "Precondition failed: UID in precondition: other", id="another object of that name"),
        pytest.param({"resourceVersion": "abc"}, 500, 'strconv.ParseUint: parsing "abc": invalid syntax', id="a version that is none"),
        pytest.param({"deletionTimestamp": "2020-01-01T00:00:00Z"}, 422, "field is immutable", id="a time of deletion"),
    ],
)
async def test_update_refuses(house: House, change: dict[str, Any], code: int, message: str) -> None:
    made = clone(await house.client.create(config("a")))
    for name, value in change.items():
        setattr(made.metadata, name, value)
    async with refused(code, message):
        await house.client.update(made)


async def test_update_refuses_another_name_than_the_urls(house: House) -> None:
    await house.client.create(config("a"))
    async with refused(400, "the name of the object (b) does not match the name on the URL (a)"):
        await house.registry.execute(Call("update", resource_of(ConfigMap), "default", "a", body=config("b")), ADMIN)


async def test_update_of_what_is_not_there(house: House) -> None:
    async with refused(404, 'configmaps "a" not found'):
        await house.client.update(config("a"))
    async with refused(404, 'configmaps "a" not found'):
        await house.client.update(config("a", uid="gone"))
    async with refused(404, 'configmaps "a" not found'):
        await house.client.update(config("a", resourceVersion="5"))


async def test_an_update_of_some_kinds_makes_what_is_not_there(house: House) -> None:
    lease = Lease(metadata=ObjectMeta(name="a", namespace="default", resourceVersion="5"))
    assert (await house.client.update(lease)).metadata.uid
    async with refused(409, "Precondition failed: UID in precondition: gone, UID in object meta: "):
        await house.client.update(Lease(metadata=ObjectMeta(name="b", namespace="default", uid="gone")))


@pytest.mark.parametrize("obj", [Lease(), CSINode(), RuntimeClass(handler="x"), ValidatingWebhookConfiguration()], ids=lambda one: one.kind)
async def test_some_kinds_are_updated_by_their_version_only(house: House, obj: Any) -> None:
    resource = resource_of(type(obj))
    obj.metadata = ObjectMeta(name="a", namespace="default" if resource.namespaced else "")
    made = await house.client.create(obj)
    told = f'{resource.plural}.{resource.group} "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
    async with refused(422, told):
        await house.client.update(obj)
    await house.client.update(made)
    await house.client.patch(type(obj), "a", obj.metadata.namespace, b'{"metadata":{"labels":{"x":"y"}}}', patch_type=MERGE_PATCH)


async def test_spec_and_status_are_written_apart(house: House) -> None:
    made = clone(await house.client.create(deployment("web")))
    made.spec.replicas, made.status.replicas = 3, 9
    after = clone(await house.client.update(made))
    assert (after.spec.replicas, after.status.replicas, after.metadata.generation) == (3, 0, 2)
    after.spec.replicas, after.status.replicas = 5, 3
    after = await house.client.update(after, subresource="status")
    assert (after.spec.replicas, after.status.replicas, after.metadata.generation) == (3, 3, 2)


@pytest.mark.parametrize(
    ("kind", "generation"),
    [(Deployment, 1), (PodTemplate, 1), (ControllerRevision, 5), (ConfigMap, 5), (Namespace, 5), (APIService, 5), (IPAddress, 5)],
)
def test_which_kinds_count_their_generations(kind: Any, generation: int) -> None:
    """Upstream's strategies say so kind by kind; a template counts, the record of one does not and keeps what its creator wrote."""
    made = kind(metadata=ObjectMeta(name="a", namespace="default", generation=5))
    prepare_create(resource_of(kind), made)
    assert made.metadata.generation == generation


async def test_a_generation_passes_only_with_the_content(house: House) -> None:
    made = clone(await house.client.create(deployment("web")))
    made.metadata.labels["x"] = "y"
    assert (await house.client.update(made)).metadata.generation == 1


@pytest.mark.parametrize(
    ("patch_type", "body", "expected"),
    [
        pytest.param(MERGE_PATCH, {"data": {"b": "2", "a": None}}, {"b": "2"}, id="merge"),
        pytest.param(STRATEGIC_MERGE_PATCH, {"data": {"b": "2"}}, {"a": "1", "b": "2"}, id="strategic"),
        pytest.param(JSON_PATCH, [{"op": "replace", "path": "/data/a", "value": "3"}], {"a": "3"}, id="json"),
    ],
)
async def test_patch(house: House, patch_type: str, body: Any, expected: dict[str, str]) -> None:
    made = config("a")
    made.data = {"a": "1"}
    await house.client.create(made)
    after = await house.client.patch(ConfigMap, "a", "default", orjson.dumps(body), patch_type=patch_type)
    assert after.data == expected


async def test_patches_at_once_all_take_effect(house: House) -> None:
    await house.client.create(config("a"))
    await asyncio.gather(*(house.client.patch(ConfigMap, "a", "default", orjson.dumps({"data": {str(number): ""}})) for number in range(5)))
    assert sorted((await house.client.get(ConfigMap, "a", "default")).data) == list("01234")


async def test_a_patch_of_an_old_version_conflicts(house: House) -> None:
    await house.client.create(config("a"))
    async with refused(409, "the object has been modified"):
        await house.client.patch(ConfigMap, "a", "default", b'{"metadata":{"resourceVersion":"1"},"data":{"a":"b"}}')


@pytest.mark.parametrize(
    ("body", "strictness", "code", "message"),
    [
        pytest.param(b'{"data":{"a":1}}', "", 422, "cannot unmarshal number", id="a wrong type"),
        pytest.param(b'{"extra":1}', "Strict", 422, 'unknown field "extra"', id="an unknown field, strictly"),
        pytest.param(b'{"metadata":{"name":"b"}}', "", 400, "does not match the name on the URL", id="another name"),
        pytest.param(b"{", "", 400, "", id="broken JSON"),
    ],
)
async def test_patch_refuses(house: House, body: bytes, strictness: str, code: int, message: str) -> None:
    await house.client.create(config("a"))
    async with refused(code, message):
        await house.client.patch(ConfigMap, "a", "default", body, options=Options(field_validation=strictness))


async def test_a_patch_warns_of_unknown_fields(house: House) -> None:
    await house.client.create(config("a"))
    warnings: list[str] = []
    options = Options(field_validation="Warn")
    call = Call("patch", resource_of(ConfigMap), "default", "a", body=b'{"extra":1}', patch_type=MERGE_PATCH, options=options)
    await house.registry.execute(call, ADMIN, warnings=warnings)
    assert warnings == ['unknown field "extra"']


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
async def test_a_dry_run_answers_and_writes_nothing(house: House, verb: str) -> None:
    existing = clone(await house.client.create(config("old")))
    existing.data["a"] = "b"
    before = await house.storage.revision()
    options = Options(dry_run=True)
    result = {
        "create": lambda: house.client.create(config("new"), options=options),
        "update": lambda: house.client.update(existing, options=options),
        "patch": lambda: house.client.patch(ConfigMap, "old", "default", b'{"data":{"a":"b"}}', options=options),
        "delete": lambda: house.client.delete(ConfigMap, "old", "default", options=options),
    }[verb]
    await result()
    assert await house.storage.revision() == before


async def test_a_dry_run_of_what_exists_says_so(house: House) -> None:
    await house.client.create(config("a"))
    async with refused(409, "already exists"):
        await house.client.create(config("a"), options=Options(dry_run=True))


async def test_of_many_creators_of_one_name_one_wins(house: House) -> None:
    results = await asyncio.gather(*(house.client.create(config("a")) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one, ConfigMap) for one in results) == 1
    assert all(one.reason == "AlreadyExists" for one in results if isinstance(one, StatusError))


async def test_a_client_cannot_change_what_is_committed(house: House) -> None:
    wanted = pod("a", ownerReferences=[OwnerReference(apiVersion="v1", kind="Node", name="n", uid="u")])
    made = await house.client.create(wanted)
    wanted.metadata.labels["mine"] = "yes"
    assert (await house.client.get(Pod, "a", "default")).metadata.labels == made.metadata.labels == {}


async def applied(house: House, manager: str, data: dict[str, str], **options: Any) -> ConfigMap:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "data": data}
    chosen = Options(field_manager=manager, **options)
    return await house.client.patch(ConfigMap, "a", "default", orjson.dumps(body), patch_type=APPLY_PATCH, options=chosen)


async def test_apply_makes_what_is_not_there(house: House) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: why\n"
    call = Call("patch", resource_of(ConfigMap), "default", "a", "", body, APPLY_PATCH, Options(field_manager="me"))
    entry = await house.registry.execute(call, ADMIN)
    assert isinstance(entry, Entry)
    assert entry.created
    assert entry.object.data == {"x": "why"}
    assert [(one.manager, one.operation) for one in entry.object.metadata.managedFields] == [("me", "Apply")]
    assert not (await house.entry(ConfigMap, "a")).created


@pytest.mark.parametrize(
    ("meta", "code", "message"),
    [
        pytest.param({"uid": "gone"}, 409, "uid mismatch: the provided object specified uid gone, and no existing object", id="by uid"),
        pytest.param({"resourceVersion": "5"}, 0, "", id="by version"),
    ],
)
async def test_an_apply_of_what_is_gone(house: House, meta: dict[str, str], code: int, message: str) -> None:
    body = orjson.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **meta}})
    call = Call("patch", resource_of(ConfigMap), "default", "a", "", body, APPLY_PATCH, Options(field_manager="me"))
    if not code:
        assert (await house.registry.execute(call, ADMIN)).created
        return
    async with refused(code, message):
        await house.registry.execute(call, ADMIN)


@pytest.mark.parametrize("patch_type", [MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH])
async def test_no_patch_makes_an_object_another(house: House, patch_type: str) -> None:
    await house.client.create(config("a"))
    body = orjson.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "other"}})
    options = Options(field_manager="me")
    async with refused(422, 'ConfigMap "a" is invalid: metadata.uid: Invalid value: "other": field is immutable'):
        await house.client.patch(ConfigMap, "a", "default", body, patch_type=patch_type, options=options)


async def test_apply_takes_away_what_is_no_longer_said(house: House) -> None:
    await applied(house, "me", {"x": "1", "y": "1"})
    await applied(house, "other", {"z": "1"})
    after = await applied(house, "me", {"x": "2"})
    assert after.data == {"x": "2", "z": "1"}
    before = await house.storage.revision()
    await applied(house, "me", {"x": "2"})
    assert await house.storage.revision() == before, "nothing new was said"


async def test_apply_conflicts_with_other_owners(house: House) -> None:
    await applied(house, "me", {"x": "1"})
    async with refused(409, 'Apply failed with 1 conflict: conflict with "me": .data.x'):
        await applied(house, "other", {"x": "2"})
    assert (await applied(house, "other", {"x": "2"}, force=True)).data == {"x": "2"}


async def test_a_plain_update_takes_ownership_of_what_it_changes(house: House) -> None:
    await applied(house, "me", {"x": "1"})
    await house.client.patch(ConfigMap, "a", "default", b'{"data":{"x":"2"}}', options=Options(field_manager="editor"))
    async with refused(409, 'conflict with "editor" using v1'):
        await applied(house, "me", {"x": "3"})


async def test_a_store_that_cannot_write_is_an_internal_error(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(key: str, value: bytes | None, expected: int | None) -> int:
        raise StorageFailed("database or disk is full")

    monkeypatch.setattr(house.storage, "commit", full)
    async with refused(500, "Internal error occurred: the store cannot write: database or disk is full"):
        await house.client.create(config("a"))


async def test_a_kind_warns_of_what_is_odd_in_what_is_right(house: House) -> None:
    """On create and on update; what was refused is not warned of, nor is a status."""
    calls = (
        Call("create", resource_of(Node), body=Node(metadata=ObjectMeta(name="n"), spec=NodeSpec(podCIDRs=["10.0.0.1/24"]))),
        Call("patch", resource_of(Node), "", "n", body=b'{"metadata":{"labels":{"a":"b"}}}', patch_type=MERGE_PATCH),
        Call("patch", resource_of(Node), "", "n", "status", body=b'{"metadata":{"labels":{"a":"c"}}}', patch_type=MERGE_PATCH),
        Call("create", resource_of(Node), body=Node(metadata=ObjectMeta(name="M"), spec=NodeSpec(podCIDRs=["10.0.0.1/24"]))),
    )
    told: list[int] = []
    for call in calls:
        warnings: list[str] = []
        with suppress(StatusError):
            await house.registry.execute(call, ADMIN, warnings=warnings)
        told.append(len(warnings))
    assert told == [1, 1, 0, 0]


async def test_one_reference_an_owner(house: House) -> None:
    owners = [OwnerReference(apiVersion="v1", kind="ConfigMap", name="o", uid=uid) for uid in ("1", "2", "1")]
    warnings: list[str] = []
    call = Call("create", resource_of(ConfigMap), "default", body=config("a", ownerReferences=owners))
    await house.registry.execute(call, ADMIN, warnings=warnings)
    assert [one.uid for one in (await house.client.get(ConfigMap, "a", "default")).metadata.ownerReferences] == ["1", "2"]
    assert len(warnings) == 1
    assert warnings[0].endswith("duplicate UID(s) observed: 1")


@pytest.mark.parametrize(
    ("patch_type", "code"),
    [
        pytest.param(MERGE_PATCH, 422, id="merge"),
        pytest.param(JSON_PATCH, 422, id="json"),
        pytest.param(STRATEGIC_MERGE_PATCH, 200, id="strategic: overlooked"),
    ],
)
async def test_a_patch_cannot_make_an_object_another_kind(house: House, patch_type: str, code: int) -> None:
    made = await house.client.create(config("a"))
    body: Any = {"kind": "Secret", "apiVersion": "v2"}
    if patch_type == JSON_PATCH:
        body = [{"op": "replace", "path": "/kind", "value": "Secret"}]
    call = Call("patch", resource_of(ConfigMap), "default", "a", body=orjson.dumps(body), patch_type=patch_type)
    if code == 200:
        await house.registry.execute(call, ADMIN)
    else:
        async with refused(code, 'no kind "Secret" is registered'):
            await house.registry.execute(call, ADMIN)
    entry = await house.entry(ConfigMap, "a")
    assert orjson.loads(entry.encoded)["kind"] == "ConfigMap"
    assert entry.object == made


def test_an_empty_kind_is_that_of_the_url() -> None:
    body = b'{"apiVersion":"","kind":"","metadata":{"name":"a"}}'
    found = decode(body, resource_of(ConfigMap)).object
    assert (found.apiVersion, found.kind) == ("v1", "ConfigMap")
