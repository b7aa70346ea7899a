"""managedFields as clients see them: who made an object, who changed it since, and whom an apply meets."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from msgspec import Raw

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.apps_v1 import Deployment, DeploymentSpec
from pilothouse.api.types.autoscaling_v1 import Scale, ScaleSpec
from pilothouse.api.types.core_v1 import ConfigMap, Namespace, Pod, PodTemplateSpec
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.call import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, Call, Options
from pilothouse.machinery import codec
from pilothouse.machinery.codec import clone
from pilothouse.machinery.meta_v1 import LabelSelector, ManagedFieldsEntry, ObjectMeta
from tests.unit.apiserver.registry.house import House, config, pod, refused

MAKER, EDITOR, APPLIER = (Options(field_manager=one) for one in ("maker", "editor", "applier"))


def record(obj: Any) -> list[tuple[str, str, str, Any]]:
    return [(one.manager, one.operation, one.subresource, orjson.loads(bytes(one.fieldsV1))) for one in obj.metadata.managedFields]


def owners(obj: Any, *path: str) -> list[str]:
    """Who names a field."""
    found = []
    for one in obj.metadata.managedFields:
        node: Any = orjson.loads(bytes(one.fieldsV1))
        for step in path:
            node = node.get(f"f:{step}") if node is not None else None
        if node is not None:
            found.append(one.manager)
    return found


def deployment(replicas: int) -> Deployment:
    spec = DeploymentSpec(
        replicas=replicas,
        selector=LabelSelector(matchLabels={"a": "b"}),
        template=PodTemplateSpec(metadata=ObjectMeta(labels={"a": "b"}), spec=pod("x").spec),
    )
    return Deployment(metadata=ObjectMeta(name="a", namespace="default"), spec=spec)


async def apply(house: House, kind: type[Any], fields: dict[str, Any], options: Options = APPLIER) -> Any:
    api_version = resource_of(kind).api_version
    body = {"apiVersion": api_version, "kind": kind.__name__, "metadata": {"name": "a", "namespace": "default"}, **fields}
    return await house.client.patch(kind, "a", "default", orjson.dumps(body), patch_type=APPLY_PATCH, options=options)


async def test_every_object_tells_who_made_it_and_who_writes_its_status(house: House) -> None:
    made = await house.client.create(pod("a"), options=MAKER)
    [(manager, operation, subresource, fields)] = record(made)
    assert (manager, operation, subresource) == ("maker", "Update", "")
    assert fields["f:spec"]["f:containers"]['k:{"name":"main"}']["f:image"] == {}
    assert "f:status" not in fields
    assert "f:name" not in fields.get("f:metadata", {})
    seen = clone(made)
    seen.status.reason = "Waiting"
    await house.clock.advance(60)
    seen = await house.client.update(seen, subresource="status", options=Options(field_manager="kubelet"))
    assert record(seen)[1:] == [("kubelet", "Update", "status", {"f:status": {"f:reason": {}}})]
    assert seen.metadata.managedFields[0].time < seen.metadata.managedFields[1].time


async def test_nobody_named_is_called_by_what_it_is(house: House) -> None:
    made = await house.client.create(config("a", labels={"x": "y"}))
    assert [one.manager for one in made.metadata.managedFields] == ["kubernetes-admin"]
    root = await house.client.get(Namespace, "default")
    assert [one.manager for one in root.metadata.managedFields] == ["kube-apiserver"]


async def test_what_changes_nothing_changes_no_time(house: House) -> None:
    made = await house.client.create(config("a"), options=MAKER)
    await house.clock.advance(60)
    again = await house.client.update(clone(made), options=MAKER)
    assert again == made


@pytest.mark.parametrize("kind", ["update", "patch"])
async def test_anothers_change_is_named_and_met_by_an_apply(house: House, kind: str) -> None:
    made = await house.client.create(config("a", labels={"x": "y"}), options=MAKER)
    if kind == "update":
        wanted = clone(made)
        wanted.data["x"] = "1"
        changed = await house.client.update(wanted, options=EDITOR)
    else:
        changed = await house.client.patch(ConfigMap, "a", "default", b'{"data":{"x":"1"}}', patch_type=MERGE_PATCH, options=EDITOR)
    assert owners(changed, "data", "x") == ["editor"]
    async with refused(409, 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.x'):
        await apply(house, ConfigMap, {"data": {"x": "2"}})


async def test_a_key_that_is_there_twice_is_told_to_who_applies(house: House) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\ndata: {a: b, a: c}\n"

    async def told(strictness: str) -> tuple[str, list[str]]:
        options = Options(field_manager="applier", field_validation=strictness)
        call = Call("patch", resource_of(ConfigMap), "default", "a", body=text, patch_type=APPLY_PATCH, options=options)
        warnings: list[str] = []
        found = await house.registry.execute(call, ADMIN, warnings=warnings)
        return found.object.data["a"], warnings

    told_twice = ['line 4: key "a" already set in map']
    assert [await told("Warn"), await told("Warn"), await told("Ignore")] == [("c", told_twice), ("c", told_twice), ("c", [])]
    async with refused(400, f"error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n  {told_twice[0]}"):
        await told("Strict")


async def test_an_autoscaler_and_an_apply_that_says_no_replicas_do_not_fight(house: House) -> None:
    await house.client.create(deployment(2), options=MAKER)
    scale = Scale(metadata=ObjectMeta(name="a", namespace="default"), spec=ScaleSpec(replicas=5))
    call = Call("update", resource_of(Deployment), "default", "a", "scale", scale, options=Options(field_manager="autoscaler"))
    await house.registry.execute(call, ADMIN)
    scaled = await house.client.get(Deployment, "a", "default")
    assert owners(scaled, "spec", "replicas") == ["autoscaler"]
    assert [one.subresource for one in scaled.metadata.managedFields if one.manager == "autoscaler"] == ["scale"]
    after = await apply(house, Deployment, {"spec": {"minReadySeconds": 3}})
    assert (after.spec.replicas, after.spec.minReadySeconds) == (5, 3)
    async with refused(409, 'conflict with "autoscaler" with subresource "scale" using apps/v1'):
        await apply(house, Deployment, {"spec": {"replicas": 1}})


async def test_an_apply_to_scale_meets_who_owns_the_replicas_and_leaves_the_record_of_all_else(house: House) -> None:
    await apply(house, Deployment, codec.to_dict(deployment(2)), Options(field_manager="owner"))
    body = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": 5}}

    async def scale(**options: Any) -> Any:
        asked = Options(field_manager="scaler", **options)
        call = Call("patch", resource_of(Deployment), "default", "a", "scale", orjson.dumps(body), patch_type=APPLY_PATCH, options=asked)
        await house.registry.execute(call, ADMIN)
        return await house.client.get(Deployment, "a", "default")

    async with refused(409, 'Apply failed with 1 conflict: conflict with "owner": .spec.replicas'):
        await scale()
    scaled = await scale(force=True)
    assert owners(scaled, "spec", "replicas") == ["scaler"]
    assert owners(scaled, "spec", "selector") == ["owner"]
    assert [(one.manager, one.apiVersion, one.subresource) for one in scaled.metadata.managedFields] == [
        ("scaler", "apps/v1", "scale"),
        ("owner", "apps/v1", ""),
    ]
    assert (await scale()).metadata == scaled.metadata, "the same again changes nothing"


async def test_the_first_apply_names_what_the_maker_owns(house: House) -> None:
    await house.client.create(config("a", labels={"x": "y"}), options=MAKER)
    after = await apply(house, ConfigMap, {"data": {"x": "1"}})
    assert record(after) == [
        ("applier", "Apply", "", {"f:data": {"f:x": {}}}),
        ("maker", "Update", "", {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}}),
    ]


async def test_a_client_may_drop_the_record(house: House) -> None:
    await house.client.create(config("a"), options=MAKER)
    patch = b'[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]'
    dropped = await house.client.patch(ConfigMap, "a", "default", patch, patch_type=JSON_PATCH, options=MAKER)
    assert record(dropped) == []
    wanted = clone(dropped)
    wanted.data["x"] = "1"
    assert record(await house.client.update(wanted, options=EDITOR)) == [], "nothing is recorded until somebody applies it"
    async with refused(409, 'conflict with "before-first-apply" using v1'):
        await apply(house, ConfigMap, {"data": {"x": "2"}})


async def test_a_client_may_change_the_record(house: House) -> None:
    """How client-go turns what was applied by a client into what is applied by the server."""
    await house.client.create(config("a", labels={"x": "y"}), options=MAKER)
    applied = await apply(house, ConfigMap, {"data": {"x": "1"}})
    wanted = clone(applied)
    wanted.metadata.managedFields = [one for one in wanted.metadata.managedFields if one.operation == "Apply"]
    assert record(await house.client.update(wanted, options=MAKER)) == [("applier", "Apply", "", {"f:data": {"f:x": {}}})]


async def test_a_record_that_is_none_leaves_the_old_one(house: House) -> None:
    made = await house.client.create(config("a"), options=MAKER)
    wanted = clone(made)
    wanted.metadata.managedFields = [ManagedFieldsEntry(manager="x", operation="Nonsense", fieldsType="FieldsV1")]
    assert await house.client.update(wanted, options=MAKER) == made


async def test_a_status_is_no_place_to_change_the_record(house: House) -> None:
    made = await house.client.create(pod("a"), options=MAKER)
    wanted = clone(made)
    wanted.metadata.managedFields = [ManagedFieldsEntry()]
    wanted.status.phase = "Running"
    assert len(record(await house.client.update(wanted, subresource="status", options=MAKER))) == 2


async def test_who_writes_the_status_after_another_leaves_it_its_own(house: House) -> None:
    seen = clone(await house.client.create(pod("a"), options=MAKER))
    seen.status.phase, seen.status.reason = "Pending", "Waiting"
    seen = clone(await house.client.update(seen, subresource="status", options=Options(field_manager="scheduler")))
    seen.status.phase = "Running"
    seen = await house.client.update(seen, subresource="status", options=Options(field_manager="kubelet"))
    assert owners(seen, "status", "reason") == ["scheduler"]
    assert ("kubelet", "Update", "status", {"f:status": {"f:phase": {}}}) in record(seen)
    assert (await house.client.get(Pod, "a", "default")).metadata.managedFields == seen.metadata.managedFields


async def test_a_record_that_comes_with_a_new_object_is_kept_beside_its_makers(house: House) -> None:
    said = ManagedFieldsEntry(
        manager="before", operation="Apply", apiVersion="v1", fieldsType="FieldsV1", fieldsV1=Raw(b'{"f:data":{"f:z":{}}}')
    )
    wanted = config("a", labels={"x": "y"})
    wanted.data["x"] = "1"
    wanted.metadata.managedFields = [said]
    assert [(name, operation) for name, operation, _, _ in record(await house.client.create(wanted, options=MAKER))] == [
        ("before", "Apply"),
        ("maker", "Update"),
    ]


@pytest.mark.parametrize("content_type", [codec.JSON, codec.YAML])
def test_an_empty_list_of_managed_fields_is_told_from_none(content_type: str) -> None:
    def said(metadata: str) -> list[ManagedFieldsEntry]:
        text = f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{metadata}}}'
        found: list[ManagedFieldsEntry] = codec.decode(
            text.encode(), resource_of(ConfigMap), content_type=content_type
        ).object.metadata.managedFields
        return found

    assert said('{"name":"a","managedFields":[]}') == [ManagedFieldsEntry()]
    assert said('{"name":"a","managedFields":null}') == []
    assert said('{"name":"a"}') == []
