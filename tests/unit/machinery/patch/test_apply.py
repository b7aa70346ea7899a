"""Server-side apply: ownership, conflicts, what goes when it is no longer said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import ConfigMap, PersistentVolume, Pod, Service
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.patch.apply import LAST_APPLIED, apply
from tests.unit.machinery.patch.applying import Live, writer

Map = dict[str, Any]


def pod(*containers: Map, labels: Map | None = None, **spec: Any) -> Map:
    metadata: Map = {"metadata": {"labels": labels}} if labels else {}
    return {**metadata, "spec": {**({"containers": list(containers)} if containers else {}), **spec}}


def env(*names: str) -> Map:
    return pod({"name": "c", "env": [{"name": name, "value": "1"} for name in names]})


def env_names(obj: Map) -> str:
    return "".join(one["name"] for one in obj["spec"]["containers"][0]["env"])


def test_what_is_applied_first_is_the_object_and_all_its_own() -> None:
    live = Live(Pod)
    made = live.apply("a", pod({"name": "c", "image": "1", "args": ["x"], "resources": {"limits": {"cpu": "1"}}}, labels={"x": "y"}))
    assert made["spec"]["containers"] == [{"name": "c", "image": "1", "args": ["x"], "resources": {"limits": {"cpu": "1"}}}]
    assert live.owned("a") == [
        ".metadata.labels.x",
        '.spec.containers[name="c"]',
        '.spec.containers[name="c"].args',
        '.spec.containers[name="c"].image',
        '.spec.containers[name="c"].name',
        '.spec.containers[name="c"].resources.limits.cpu',
    ]
    entry = live.record[0]
    assert (entry.manager, entry.operation, entry.fieldsType, entry.time) == ("a", "Apply", "FieldsV1", "2025-01-01T00:00:01Z")
    assert bytes(entry.fieldsV1).startswith(
        b'{"f:metadata":{"f:labels":{"f:x":{}}},"f:spec":{"f:containers":{"k:{\\"name\\":\\"c\\"}":{".":{},'
    )


def test_two_managers_share_an_object() -> None:
    live = Live(Pod)
    live.apply("a", pod({"name": "c", "image": "1"}, labels={"x": "y"}))
    second = live.apply("b", pod({"name": "d", "image": "2"}, labels={"z": "w"}))
    assert second["metadata"]["labels"] == {"x": "y", "z": "w"}
    assert [one["name"] for one in second["spec"]["containers"]] == ["c", "d"]
    assert live.apply("a", pod({"name": "c", "image": "1"}))["metadata"]["labels"] == {"z": "w"}
    assert live.apply("b", pod(labels={"z": "w"}))["spec"]["containers"] == [{"name": "c", "image": "1"}]


def test_an_item_that_another_manager_has_a_field_in_stays_as_its_key_and_that_field() -> None:
    live = Live(Pod)
    live.apply("a", pod({"name": "c", "image": "1"}, {"name": "d", "image": "1"}))
    live.apply("b", pod({"name": "c", "workingDir": "/"}))
    assert live.apply("a", pod({"name": "d", "image": "1"}))["spec"]["containers"] == [
        {"name": "c", "workingDir": "/"},
        {"name": "d", "image": "1"},
    ]


def test_what_another_owns_is_a_conflict_unless_it_is_the_same_or_forced() -> None:
    live = Live(Pod)
    live.apply("a", pod({"name": "c", "image": "1"}))
    live.apply("b", pod({"name": "c", "image": "1"}))
    assert live.managers() == ["b", "a"], "who changes nothing has no time, and comes first"
    with pytest.raises(StatusError) as caught:
        live.copy().apply("c", pod({"name": "c", "image": "2"}))
    assert caught.value.code == 409
    assert str(caught.value) == (
        'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.containers[name="c"].image\n'
        'conflicts with "b":\n- .spec.containers[name="c"].image'
    )
    assert live.apply("b", pod({"name": "c", "image": "2"}), force=True)["spec"]["containers"][0]["image"] == "2"
    assert '.spec.containers[name="c"].image' not in live.owned("a")


UNIONS = [
    pytest.param({"livenessProbe": {"httpGet": {"path": "/", "port": 80}}}, {"livenessProbe": {"exec": {"command": ["x"]}}}, id="probe"),
    pytest.param(
        {"lifecycle": {"preStop": {"httpGet": {"path": "/", "port": 80}}}}, {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}, id="hook"
    ),
    pytest.param(
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        {"env": [{"name": "A", "value": "1"}]},
        id="env",
    ),
]
DEFAULTS = {"httpGet": {"scheme": "HTTP"}, "fieldRef": {"apiVersion": "v1"}}


def defaulted(value: Any) -> Any:
    """With the siblings that defaulting puts beside what is said."""
    if isinstance(value, list):
        return [defaulted(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: {**defaulted(one), **DEFAULTS[name]} if name in DEFAULTS else defaulted(one) for name, one in value.items()}


@pytest.mark.parametrize(("first", "second"), UNIONS)
def test_defaulted_siblings_do_not_keep_the_member_of_a_union_that_is_no_longer_said(first: Map, second: Map) -> None:
    live = Live(Pod)
    live.obj = defaulted(live.apply("a", pod({"name": "c", **first})))
    assert live.apply("a", pod({"name": "c", **second}))["spec"]["containers"] == [{"name": "c", **second}]


@pytest.mark.parametrize(
    ("kind", "first", "second", "field"),
    [
        pytest.param(Service, {"selector": {"a": "b"}}, {"selector": {"c": "d"}}, ".spec.selector", id="a field that is an atomic map"),
        pytest.param(
            Deployment, {"selector": {"matchLabels": {"a": "b"}}}, {"selector": {"matchLabels": {"c": "d"}}}, ".spec.selector",
            id="a struct that is atomic",
        ),
        pytest.param(Pod, {"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, ".spec.tolerations", id="a list"),
    ],
)  # fmt: skip
def test_two_managers_never_both_own_an_atomic(kind: type[Any], first: Map, second: Map, field: str) -> None:
    live = Live(kind)
    live.apply("a", {"spec": first})
    with pytest.raises(StatusError) as caught:
        live.copy().apply("b", {"spec": second})
    assert str(caught.value) == f'Apply failed with 1 conflict: conflict with "a": {field}'
    after = live.apply("b", {"spec": second}, force=True)["spec"]
    assert {name: after[name] for name in second} == second
    assert (live.managers(), live.owned("b")) == (["b"], [field])


def test_a_struct_that_is_atomic_elsewhere_may_be_granular_in_one_field() -> None:
    live = Live(PersistentVolume)
    live.apply("a", {"spec": {"claimRef": {"name": "n"}}})
    assert live.apply("b", {"spec": {"claimRef": {"uid": "u"}}})["spec"]["claimRef"] == {"name": "n", "uid": "u"}


@pytest.mark.parametrize(
    ("live", "applied", "expected"),
    [
        pytest.param("abcd", "ab", "ab", id="what is left out goes"),
        pytest.param("abcd", "dcba", "dcba", id="the applied order wins"),
        pytest.param("", "ba", "ba", id="all new"),
    ],
)
def test_the_order_of_items_of_one_applier(live: str, applied: str, expected: str) -> None:
    pod_of_one = Live(Pod)
    if live:
        pod_of_one.apply("a", env(*live))
    assert env_names(pod_of_one.apply("a", env(*applied))) == expected


@pytest.mark.parametrize(
    ("live", "applied", "expected"),
    [
        pytest.param("abcd", "xdyaz", "bcxdyaz", id="others stay before what they stood before"),
        pytest.param("abc", "x", "abcx", id="new items come last"),
        pytest.param("abc", "bx", "abcx", id="after the others"),
        pytest.param("abc", "cb", "acb", id="shared items move"),
    ],
)
def test_the_order_of_items_of_two_appliers(live: str, applied: str, expected: str) -> None:
    shared = Live(Pod)
    shared.apply("a", env(*live))
    assert env_names(shared.apply("b", env(*applied))) == expected


def test_lists_with_several_keys_know_their_defaults() -> None:
    live = Live(Pod)
    live.apply("a", pod({"name": "c", "ports": [{"containerPort": 53}]}))
    ports = [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]
    assert live.apply("a", pod({"name": "c", "ports": ports}))["spec"]["containers"][0]["ports"] == ports
    assert '.spec.containers[name="c"].ports[containerPort=53,protocol="TCP"]' in live.owned("a")


def test_an_empty_map_and_a_null_are_owned() -> None:
    live = Live(ConfigMap)
    live.apply("a", {"data": {}})
    assert (live.obj or {})["data"] == {}
    assert live.owned("a") == [".data"]
    live.apply("b", {"data": {"x": None}})
    assert live.owned("b") == [".data.x"]


def test_a_null_takes_what_another_owns() -> None:
    live = Live(Deployment)
    live.update("maker", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"replicas": 3}})
    with pytest.raises(StatusError, match=r'1 conflict: conflict with "maker" using apps/v1: .spec.replicas'):
        live.copy().apply("a", {"spec": {"replicas": None}})
    assert "replicas" not in live.apply("a", {"spec": {"replicas": None}}, force=True)["spec"]


def test_who_leaves_everything_out_owns_nothing_and_is_no_longer_named() -> None:
    live = Live(ConfigMap)
    live.apply("a", {"data": {"x": "1", "y": "1"}})
    live.apply("b", {"data": {"y": "1"}})
    after = live.apply("a", {})
    assert (after["data"], live.managers()) == ({"y": "1"}, ["b"])
    assert not live.apply("b", {}).get("data")


def test_an_apply_that_changes_nothing_keeps_its_time_and_who_joins_has_none() -> None:
    live = Live(ConfigMap)
    live.apply("a", {"data": {"x": "1"}})
    live.apply("a", {"data": {"x": "1"}})
    live.apply("b", {"data": {"x": "1"}})
    assert [(one.manager, one.time) for one in live.record] == [("b", ""), ("a", "2025-01-01T00:00:01Z")]


def test_an_object_without_a_record_belongs_to_before_first_apply() -> None:
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "uid": "u"}, "data": {"x": "1"}}
    live = Live(ConfigMap, bare)
    live.update("editor", {**bare, "data": {"x": "2"}})
    assert live.record == []
    with pytest.raises(StatusError, match=r'conflict with "before-first-apply" using v1: .data.x$'):
        live.copy().apply("a", {"data": {"x": "1"}})
    live.apply("a", {"data": {"y": "1"}})
    assert (live.managers(), live.owned("before-first-apply")) == (["a", "before-first-apply"], [".data", ".data.x"])


def test_a_plain_update_takes_what_it_changes() -> None:
    live = Live(Pod)
    first = live.apply("a", pod({"name": "c", "image": "1"}, labels={"x": "y"}))
    live.update("kubectl-edit", {**first, "spec": {"containers": [{"name": "c", "image": "2"}]}})
    with pytest.raises(StatusError) as caught:
        live.apply("a", pod({"name": "c", "image": "1"}, labels={"x": "y"}))
    assert str(caught.value) == ('Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .spec.containers[name="c"].image')


CONFIG = {"spec": {"replicas": 3, "paused": True}}


def applied_by_client(**changes: Any) -> Live:
    """A Deployment that `kubectl apply` made, and others may have changed since."""
    said = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, **CONFIG}
    live = Live(Deployment)
    made = {**said, "metadata": {"name": "x", "annotations": {LAST_APPLIED: json.dumps(said) + "\n"}}}
    live.update("kubectl-client-side-apply", made)
    if changes:
        live.update("scaler", {**made, "spec": {**made["spec"], **changes}}, subresource="scale")
    return live


def test_kubectl_takes_over_what_it_applied_from_the_clients_side_and_keeps_the_annotation_true() -> None:
    live = applied_by_client()
    after = live.apply("kubectl", {"metadata": {"labels": {"<a>": "b"}}, "spec": {"replicas": 5, "paused": True}})
    assert after["spec"] == {"replicas": 5, "paused": True}
    assert after["metadata"]["annotations"][LAST_APPLIED] == (
        '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"\\u003ca\\u003e":"b"},"name":"x"},'
        '"spec":{"paused":true,"replicas":5}}\n'
    )
    assert live.owned("kubectl-client-side-apply") == [".metadata.annotations", f".metadata.annotations.{LAST_APPLIED}", ".spec.paused"]
    with pytest.raises(StatusError, match=r'1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas'):
        applied_by_client().apply("other", {"spec": {"replicas": 5}})


def test_kubectl_does_not_take_over_what_somebody_has_changed_since_it_applied() -> None:
    """So that an apply that turns to the server does not undo an autoscaler."""
    with pytest.raises(StatusError) as caught:
        applied_by_client(replicas=7).apply("kubectl", {"spec": {"replicas": 3, "paused": False}})
    assert str(caught.value) == (
        'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas'
    )


def test_of_many_updaters_the_oldest_become_ancient_changes() -> None:
    live = Live(ConfigMap)
    obj: Map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {}}
    for number in range(13):
        obj = {**obj, "data": {**obj["data"], f"k{number}": "v"}}
        live.update(f"m{number}", obj)
    assert live.managers() == ["ancient-changes", *(f"m{number}" for number in range(4, 13))]
    assert live.owned("ancient-changes") == [".data", *(f".data.k{number}" for number in range(4))]
    assert live.record[0].time == "2025-01-01T00:00:04Z"


UNTYPED = r"failed to create typed patch object \(/x; /v1, Kind=Pod\): "


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        pytest.param({"apiVersion": ""}, 400, "^invalid object type: /, Kind=Pod$", id="no version"),
        pytest.param({"apiVersion": "v2"}, 400, "^invalid object type: /v2, Kind=Pod$", id="another version"),
        pytest.param({"apiVersion": "apps/v1", "kind": ""}, 400, "^invalid object type: apps/v1, Kind=$", id="no kind"),
        pytest.param({"metadata": {"managedFields": [{}]}}, 400, "^metadata.managedFields must be nil$", id="with a record"),
        pytest.param(pod(foo=1), 500, UNTYPED + ".spec.foo: field not declared in schema$", id="an unknown field"),
        pytest.param(
            pod({"name": "c", "foo": 1}, bar=1), 500,
            UNTYPED + r"errors:\n  .spec.containers\[name=\"c\"\].foo: field not declared in schema\n  .spec.bar: field not declared",
            id="two of them",
        ),
        pytest.param(pod({"name": "c"}, {"name": "c"}), 500, r"containers: duplicate entries for key \[name=\"c\"\]", id="an item twice"),
        pytest.param({"spec": {"containers": [None]}}, 500, r"element 0: associative list with keys may not have a null", id="a null item"),
        pytest.param({"spec": {"containers": ["c"]}}, 500, r"element 0: associative list with keys may not have non-map", id="a text item"),
        pytest.param(pod({"name": "c", "image": True}), 500, r"expected string, got .value.valueUnstructured.Value:true", id="no string"),
        pytest.param(pod(priority="high"), 500, r".spec.priority: expected numeric \(int or float\), got string", id="no number"),
        pytest.param(pod(hostNetwork="yes"), 500, r".spec.hostNetwork: expected boolean, got &\{yes\}", id="no boolean"),
        pytest.param(pod(containers={"name": "c"}), 500, r".spec.containers: expected list, got &\{map\[name:c\]\}", id="no list"),
        pytest.param({"spec": []}, 500, r".spec: expected map, got &\{\[\]\}", id="no map"),
        pytest.param({"metadata": {"finalizers": ["a/b"] * 2}}, 500, r"duplicate entries for key \[=\"a/b\"\]", id="a text twice"),
    ],
)  # fmt: skip
def test_a_config_that_is_none(config: Map, code: int, message: str) -> None:
    with pytest.raises(StatusError, match=message) as caught:
        Live(Pod).apply("a", config)
    assert caught.value.code == code


def test_an_item_without_its_key_has_the_empty_one() -> None:
    live = Live(Pod)
    live.apply("a", pod({"image": "x"}))
    assert '.spec.containers[name=""]' in live.owned("a")


def test_a_record_that_cannot_be_read_stops_an_apply() -> None:
    live = Live(ConfigMap)
    live.apply("a", {"data": {"x": "1"}})
    live.record[0].apiVersion = ""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    with pytest.raises(StatusError, match=r"failed to decode managed fields: apiVersion must not be empty") as caught:
        apply(live.obj, live.record, config, writer(ConfigMap, "a"))
    assert caught.value.code == 500
