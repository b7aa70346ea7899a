"""What upstream's strategies say of the metadata, kind by kind: the answers of a real server, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.catalogue import resources
from pilothouse.api.types.core_v1 import ConfigMap, Pod
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.client.call import APPLY_PATCH, MERGE_PATCH, Call, Options
from pilothouse.machinery import access, codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import Status
from pilothouse.machinery.resource import Resource
from tests.unit.apiserver.registry.house import House, config, pod, refused
from tests.unit.apiserver.small_objects import SMALL

UID = "11111111-1111-1111-1111-111111111111"
OLD = "2020-01-01T00:00:00Z"

WITHOUT_GENERATION = {
    "apiservices",
    "certificatesigningrequests",
    "clusterrolebindings",
    "clusterroles",
    "configmaps",
    "controllerrevisions",
    "csinodes",
    "csistoragecapacities",
    "endpoints",
    "events",
    "ipaddresses",
    "leases",
    "limitranges",
    "namespaces",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "resourceclaims",
    "resourceclaimtemplates",
    "resourcequotas",
    "rolebindings",
    "roles",
    "runtimeclasses",
    "secrets",
    "serviceaccounts",
    "servicecidrs",
    "services",
    "storageclasses",
    "volumeattachments",
    "volumeattributesclasses",
}
CREATED_BY_UPDATE = {
    "clusterrolebindings",
    "clusterroles",
    "endpoints",
    "events",
    "leases",
    "limitranges",
    "rolebindings",
    "roles",
    "runtimeclasses",
    "services",
}
UPDATED_BY_VERSION = {
    "apiservices",
    "csidrivers",
    "csinodes",
    "csistoragecapacities",
    "customresourcedefinitions",
    "leases",
    "mutatingwebhookconfigurations",
    "poddisruptionbudgets",
    "runtimeclasses",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
    "volumeattachments",
}
RETURNED = {
    "csidrivers",
    "csinodes",
    "deviceclasses",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourceclaims",
    "resourceclaimtemplates",
    "resourcequotas",
    "resourceslices",
    "serviceaccounts",
    "services",
    "storageclasses",
    "volumeattachments",
    "volumeattributesclasses",
}
NEW_SINCE = {
    "clustertrustbundles",
    "devicetaintrules",
    "leasecandidates",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "podcertificaterequests",
    "storageversionmigrations",
}
"""Kinds that came after the tables were made: their own tests say how they are written."""
STORED = [one for one in resources() if "create" in one.verbs and "list" in one.verbs and one.plural not in NEW_SINCE]


def named(resource: Resource[Any]) -> str:
    return f"{resource.plural}.{resource.group or 'core'}"


@pytest.mark.parametrize("resource", STORED, ids=named)
def test_strategies_are_upstreams(resource: Resource[Any]) -> None:
    strategy, plural = resource.strategy, resource.plural
    assert (strategy.generation is None) == (plural in WITHOUT_GENERATION)
    assert strategy.allow_create_on_update == (plural in CREATED_BY_UPDATE)
    assert strategy.allow_unconditional_update == (plural not in UPDATED_BY_VERSION)
    assert strategy.returns_deleted_object == (plural in RETURNED)
    assert (strategy.default_deletion == "Orphan") == (plural in ("jobs", "replicationcontrollers"))


def small(resource: Resource[Any], **metadata: Any) -> Any:
    namespace = {"namespace": "default"} if resource.namespaced else {}
    body = {**SMALL[resource.api_version, resource.kind], "metadata": {"name": "a", **namespace, **metadata}}
    if resource.kind == "Event":
        body["involvedObject"] = {"kind": "Pod", "name": "a", "namespace": "default"}
    return codec.from_dict(body, resource.type)


UNFIT = ("APIService", "CertificateSigningRequest", "Namespace", "ServiceCIDR")
"""Their small objects are no whole ones, or may have no such name."""
WRITABLE = [one for one in STORED if (one.api_version, one.kind) in SMALL and one.kind not in UNFIT]


@pytest.mark.parametrize("resource", WRITABLE, ids=named)
async def test_generations_move_with_the_content_alone(house: House, resource: Resource[Any]) -> None:
    client, kind = house.client, resource.type
    if resource.kind == "HorizontalPodAutoscaler":
        made = small(resource)
        made.spec.scaleTargetRef.apiVersion = "apps/v1"
    else:
        made = small(resource, generation=7)
    made = await client.create(made)
    first = made.metadata.generation
    assert first == (1 if resource.strategy.generation is not None else 7)
    namespace = made.metadata.namespace
    patched = await client.patch(kind, "a", namespace, b'{"metadata":{"labels":{"x":"y"},"generation":99}}', patch_type=MERGE_PATCH)
    assert patched.metadata.generation == first + (resource.kind == "EndpointSlice")
    patched = await client.patch(kind, "a", namespace, b'{"metadata":{"annotations":{"x":"y"}}}', patch_type=MERGE_PATCH)
    assert patched.metadata.generation == first + (resource.kind in ("EndpointSlice", "Deployment"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"resourceVersion": "0"}, 0, id="version 0 is none"),
        pytest.param({"resourceVersion": "abc"}, 0, id="a version that is no number is none"),
        pytest.param({"resourceVersion": "5"}, (500, "resourceVersion should not be set on objects to be created"), id="a version"),
        pytest.param({"resourceVersion": "5", "labels": {"a b": ""}}, (422, "metadata.labels"), id="validation comes before the version"),
        pytest.param(
            {"generation": -1}, (422, "metadata.generation: Invalid value: -1: must be greater than or equal to 0"), id="generation"
        ),
        pytest.param(
            {"ownerReferences": [{"apiVersion": "a/b/c", "kind": "", "name": "x", "uid": "u"}]},
            (
                422,
                '[metadata.ownerReferences[0].apiVersion: Invalid value: "a/b/c": must be <group>/<version> or <version>, '
                "metadata.ownerReferences[0].kind: Required value: must not be empty]",
            ),
            id="owners",
        ),
    ],
)
async def test_create_of_a_config_map(house: House, change: dict[str, Any], expected: Any) -> None:
    body = codec.from_dict({"metadata": {"name": "a", "namespace": "default", **change}}, ConfigMap)
    if expected:
        async with refused(*expected):
            await house.client.create(body)
    else:
        assert (await house.client.create(body)).metadata.uid


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"creationTimestamp": OLD}, None, id="another creation is overlooked"),
        pytest.param({"creationTimestamp": ""}, None, id="no creation is overlooked"),
        pytest.param({"selfLink": "/x"}, None, id="a selfLink is overlooked"),
        pytest.param({"generation": 77}, None, id="a generation is overlooked"),
        pytest.param({"uid": ""}, None, id="without a uid"),
        pytest.param({"resourceVersion": "0"}, None, id="version 0 is whichever there is"),
        pytest.param({"resourceVersion": "1"}, (409, "the object has been modified"), id="an old version"),
        pytest.param({"resourceVersion": "abc"}, (500, 'strconv.ParseUint: parsing "abc": invalid syntax'), id="no number"),
        pytest.param({"deletionTimestamp": OLD}, (422, "metadata.deletionTimestamp: Invalid value"), id="a time of deletion"),
        pytest.param({"deletionGracePeriodSeconds": 9}, (422, "metadata.deletionGracePeriodSeconds: Invalid value: 9"), id="grace"),
        pytest.param(
            {"uid": UID},
            (
                409,
                "StorageError: invalid object, Code: 4, Key: /registry/configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: "
                f"Precondition failed: UID in precondition: {UID}, UID in object meta: ",
            ),
            id="another object",
        ),
    ],
)
@pytest.mark.parametrize("subresource", ["", "status"])
async def test_update_of_metadata(house: House, change: dict[str, Any], expected: Any, subresource: str) -> None:
    if subresource:
        resource = next(one for one in STORED if one.plural == "resourcequotas")
        made = await house.client.create(small(resource))
    else:
        made = await house.client.create(config("a"))
    body = access.clone(made)
    for name, value in change.items():
        setattr(body.metadata, name, value)
    if expected:
        code, text = expected
        async with refused(code, text.replace("configmaps", "resourcequotas") if subresource else text):
            await house.client.update(body, subresource=subresource)
        return
    after = (await house.client.update(body, subresource=subresource)).metadata
    before = made.metadata
    assert (after.creationTimestamp, after.uid, after.selfLink, after.generation) == (before.creationTimestamp, before.uid, "", 0)


@pytest.mark.parametrize(
    ("plural", "stays"),
    [
        ("resourcequotas", []),
        ("deployments", ["labels"]),
        ("pods", ["ownerReferences"]),
        ("flowschemas", ["annotations", "finalizers", "labels", "ownerReferences"]),
    ],
)
async def test_what_of_the_metadata_an_update_of_the_status_writes(house: House, plural: str, stays: list[str]) -> None:
    resource = next(one for one in STORED if one.plural == plural)
    made = await house.client.create(small(resource))
    wanted = {"annotations": {"x": "y"}, "finalizers": ["a.b/c"], "labels": {"x": "y"}}
    body = codec.to_dict(made)
    body["metadata"] |= {**wanted, "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u"}]}
    after = await house.client.update(codec.from_dict(body, resource.type), subresource="status")
    fields = ("annotations", "finalizers", "labels", "ownerReferences")
    changed = [name for name in fields if getattr(after.metadata, name) != getattr(made.metadata, name)]
    assert sorted({*fields} - {*changed}) == stays


@pytest.mark.parametrize(
    ("plural", "options", "finalizers", "warned"),
    [
        pytest.param("jobs", {}, ["orphan"], True, id="a Job lets its Pods go, with a warning"),
        pytest.param("jobs", {"propagation_policy": "Orphan"}, ["orphan"], False, id="a Job as asked"),
        pytest.param("jobs", {"propagation_policy": "Background"}, None, False, id="a Job in the background"),
        pytest.param("jobs", {"orphan_dependents": False}, None, False, id="a Job without orphans"),
        pytest.param("replicationcontrollers", {}, ["orphan"], False, id="a ReplicationController lets its Pods go"),
        pytest.param("replicasets", {}, None, False, id="a ReplicaSet does not"),
        pytest.param("replicasets", {"propagation_policy": "Foreground"}, ["foregroundDeletion"], False, id="in the foreground"),
        pytest.param("events", {"propagation_policy": "Orphan"}, None, False, id="nobody owns by an Event"),
    ],
)
async def test_default_deletion(house: House, plural: str, options: dict[str, Any], finalizers: list[str] | None, warned: bool) -> None:
    resource = next(one for one in STORED if one.plural == plural and one.group != "events.k8s.io")
    await house.client.create(small(resource))
    warnings: list[str] = []
    call = Call("delete", resource, "default", "a", options=Options(**options))
    result = await house.registry.execute(call, ADMIN, warnings=warnings)
    if finalizers is None:
        assert isinstance(result, Status)
    else:
        assert isinstance(result, Entry)
        assert result.object.metadata.finalizers == finalizers
    assert any("child pods are preserved by default" in one for one in warnings) is warned


async def test_a_pod_that_goes_at_once_is_shown_as_ended(house: House) -> None:
    await house.client.create(pod("a"))
    gone = await house.client.delete(Pod, "a", "default")
    assert (gone.metadata.generation, gone.metadata.deletionGracePeriodSeconds) == (2, 0)
    assert gone.metadata.deletionTimestamp


@pytest.mark.parametrize("verb", ["update", "patch", "apply"])
async def test_a_uid_of_what_is_not_there(house: House, verb: str) -> None:
    if verb == "update":
        async with refused(404, 'configmaps "a" not found'):
            await house.client.update(config("a", uid=UID))
    elif verb == "patch":
        async with refused(404, 'configmaps "a" not found'):
            await house.client.patch(ConfigMap, "a", "default", b'{"metadata":{"uid":"x"}}')
    else:
        body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","uid":"x"}}'
        with pytest.raises(StatusError) as raised:
            await house.client.patch(ConfigMap, "a", "default", body, patch_type=APPLY_PATCH, options=Options(field_manager="m"))
        assert raised.value.code == 409
