"""Server-side apply: ownership, conflicts, what goes when it is no longer said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import Pod
from pilothouse.machinery import fieldset
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.patch.apply import apply, track_update
from pilothouse.machinery.patch.manager import Manager, entries, owners_of
from pilothouse.machinery.shape import shape_of

HERE = {"apiVersion": "v1", "kind": "Pod"}
A, B = Manager("a", "Apply", "v1", time="2025-01-01T00:00:00Z"), Manager("b", "Apply", "v1", time="2025-01-02T00:00:00Z")


def pod(*containers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = {**HERE, "metadata": {"name": "p", **({"labels": labels} if labels else {})}}
    return {**found, "spec": {**({"containers": list(containers)} if containers else {}), **spec}}


def said(obj: dict[str, Any]) -> dict[str, Any]:
    """Without the record of who said it."""
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != "managedFields"}}


def test_what_is_applied_first_is_the_object_and_all_its_own() -> None:
    config = pod({"name": "c", "image": "1"}, labels={"x": "y"})
    made = apply(None, config, Pod, A)
    assert said(made) == config
    entry = made["metadata"]["managedFields"][0]
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:labels": {"f:x": {}}},
        "f:spec": {"f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}}}},
    }
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("a", "Apply", "FieldsV1")


def test_two_managers_share_an_object() -> None:
    first = apply(None, pod({"name": "c", "image": "1"}, labels={"x": "y"}), Pod, A)
    second = apply(first, pod({"name": "d", "image": "2"}, labels={"z": "w"}), Pod, B)
    assert second["metadata"]["labels"] == {"x": "y", "z": "w"}
    assert [one["name"] for one in second["spec"]["containers"]] == ["c", "d"]
    less = apply(second, pod({"name": "c", "image": "1"}), Pod, A)
    assert less["metadata"]["labels"] == {"z": "w"}
    gone = apply(less, pod(labels={"z": "w"}), Pod, B)
    assert gone["spec"]["containers"] == [{"name": "c", "image": "1"}]


def test_what_another_owns_is_a_conflict_unless_it_is_the_same_or_forced() -> None:
    first = apply(None, pod({"name": "c", "image": "1"}), Pod, A)
    same = apply(first, pod({"name": "c", "image": "1"}), Pod, B)
    assert len(owners_of(same)) == 2
    with pytest.raises(StatusError) as caught:
        apply(first, pod({"name": "c", "image": "2"}), Pod, B)
    assert caught.value.code == 409
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "a": .spec.containers[name="c"].image'
    forced = apply(first, pod({"name": "c", "image": "2"}), Pod, B, force=True)
    assert forced["spec"]["containers"][0]["image"] == "2"
    path = ("f:spec", "f:containers", 'k:{"name":"c"}', "f:image")
    assert [one.name for one, paths in owners_of(forced).items() if path in paths] == ["b"]


def test_kubectl_takes_over_what_it_applied_from_the_clients_side_and_nothing_else_of_it() -> None:
    """What its config does not say stays with the old manager: kubectl moves that over by a patch of its own, so that it is pruned."""
    config = pod({"name": "c", "image": "1", "command": ["a"]})
    by_client = Manager("kubectl-client-side-apply", "Update", "v1", time="2025-01-01T00:00:00Z")
    live = {**config, "metadata": {"name": "p", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(config)}}}
    live["metadata"]["managedFields"] = entries({by_client: fieldset.owned(live, shape_of(Pod))})
    kubectl = Manager("kubectl", "Apply", "v1", time="2025-01-02T00:00:00Z")
    changed = apply(live, pod({"name": "c", "image": "2"}), Pod, kubectl)
    assert changed["spec"]["containers"] == [{"name": "c", "image": "2", "command": ["a"]}]
    item = ("f:spec", "f:containers", 'k:{"name":"c"}')
    owners = {one.name: paths for one, paths in owners_of(changed).items()}
    assert owners["kubectl"] == {item, (*item, "f:image"), (*item, "f:name")}
    assert (*item, "f:command") in owners["kubectl-client-side-apply"]
    assert (*item, "f:image") not in owners["kubectl-client-side-apply"]
    with pytest.raises(StatusError, match=r"1 conflict: conflict with \"kubectl-client-side-apply\" using v1"):
        apply(live, pod({"name": "c", "image": "2"}), Pod, A)


def test_what_nobody_says_any_more_goes_with_the_maps_that_it_leaves_empty() -> None:
    first = apply(None, pod({"name": "c", "image": "1"}, securityContext={"runAsUser": 1}), Pod, A)
    second = apply(first, pod({"name": "c", "image": "1"}), Pod, A)
    assert "securityContext" not in second["spec"]


def test_objects_that_were_made_otherwise_belong_to_before_first_apply() -> None:
    live = {**HERE, "metadata": {"name": "p", "uid": "u"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    made = apply(live, pod(labels={"x": "y"}), Pod, A)
    assert {one.name for one in owners_of(made)} == {"before-first-apply", "a"}
    with pytest.raises(StatusError, match="before-first-apply"):
        apply(live, pod(nodeName="other"), Pod, A)


def test_lists_with_several_keys_know_their_defaults() -> None:
    first = apply(None, pod({"name": "c", "ports": [{"containerPort": 53}]}), Pod, A)
    second = apply(
        first, pod({"name": "c", "ports": [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]}), Pod, A
    )
    assert len(second["spec"]["containers"][0]["ports"]) == 2


def test_a_plain_update_takes_what_it_changes() -> None:
    first = apply(None, pod({"name": "c", "image": "1"}, labels={"x": "y"}), Pod, A)
    after = json.loads(json.dumps(first))
    after["spec"]["containers"][0]["image"] = "2"
    after["metadata"]["managedFields"] = track_update(
        first, after, Pod, Manager("kubectl-edit", "Update", "v1", time="2025-01-03T00:00:00Z")
    )
    with pytest.raises(StatusError) as caught:
        apply(after, pod({"name": "c", "image": "1"}, labels={"x": "y"}), Pod, A)
    assert 'conflict with "kubectl-edit" using v1 at 2025-01-03T00:00:00Z: .spec.containers[name="c"].image' in str(caught.value)
    assert track_update(pod(), pod(nodeName="n"), Pod, A) == []


UNTYPED = r"failed to create typed patch object \(/p; /v1, Kind=Pod\): "


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        pytest.param({"metadata": {}}, 400, "Incorrect version .* Specified patch version: , expected: v1", id="none"),
        pytest.param({**HERE, "apiVersion": "v2"}, 400, "Specified patch version: v2, expected: v1", id="another version"),
        pytest.param({**HERE, "metadata": {"managedFields": [{}]}}, 400, "metadata.managedFields must be nil", id="with a record"),
        pytest.param({"apiVersion": "v1"}, 500, "no corresponding type for v1, Kind=", id="no kind"),
        pytest.param(
            pod({"image": "x"}),
            500,
            UNTYPED
            + r".spec.containers: element 0: associative list with keys has an element that omits all key fields \[\"name\"\] "
            + r"\(and doesn't have default values for any key fields\)",
            id="an item without its key",
        ),
        pytest.param(pod({"name": "c"}, {"name": "c"}), 500, r"containers: duplicate entries for key \[name=\"c\"\]", id="an item twice"),
        pytest.param(pod(foo=1), 500, UNTYPED + ".spec.foo: field not declared in schema$", id="an unknown field"),
        pytest.param(
            pod({"name": "c", "foo": 1}, bar=1),
            500,
            UNTYPED + r"errors:\n  .spec.containers\[name=\"c\"\].foo: field not declared in schema\n  .spec.bar: field not declared",
            id="two of them",
        ),
        pytest.param(pod({"name": "c", "image": True}), 500, r"expected string, got .value.valueUnstructured.Value:true", id="no string"),
        pytest.param(pod(priority="high"), 500, r".spec.priority: expected numeric \(int or float\), got string", id="no number"),
        pytest.param(pod(hostNetwork="yes"), 500, r".spec.hostNetwork: expected boolean, got &\{yes\}", id="no boolean"),
        pytest.param(pod(containers={"name": "c"}), 500, r".spec.containers: expected list, got &\{map\[name:c\]\}", id="no list"),
        pytest.param({**HERE, "metadata": {"name": "p"}, "spec": []}, 500, r".spec: expected map, got &\{\[\]\}", id="no map"),
        pytest.param(
            {**HERE, "metadata": {"name": "p", "finalizers": ["a/b", "a/b"]}},
            500,
            r".metadata.finalizers: duplicate entries for key \[=\"a/b\"\]",
            id="twice in a set",
        ),
    ],
)
def test_a_config_that_is_none(config: dict[str, Any], code: int, message: str) -> None:
    with pytest.raises(StatusError, match=message) as caught:
        apply(None, config, Pod, A)
    assert caught.value.code == code


def test_a_deployments_replicas_may_be_left_to_the_autoscaler() -> None:
    head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    first = apply(None, {**head, "spec": {"replicas": 3, "paused": True}}, Deployment, A)
    scaler = Manager("hpa", "Apply", "apps/v1")
    shared = apply(first, {**head, "spec": {"replicas": 3}}, Deployment, scaler)
    left = apply(shared, {**head, "spec": {"paused": True}}, Deployment, A)
    assert left["spec"] == {"replicas": 3, "paused": True}


elements = st.sampled_from(["f:a", "f:b", 'k:{"n":"x"}', 'v:"y"'])


@given(st.frozensets(st.lists(elements, min_size=1, max_size=4).map(tuple), max_size=8))
def test_fields_survive_their_written_form(paths: frozenset[tuple[str, ...]]) -> None:
    assert fieldset.from_fields(fieldset.to_fields(paths)) == paths


def test_all_of_an_object_has_an_owner() -> None:
    config = pod({"name": "c", "args": ["x"], "resources": {"limits": {"cpu": "1"}}}, labels={"x": "y"})
    assert {fieldset.shown(one) for one in fieldset.owned(config, shape_of(Pod))} == {
        ".metadata.labels.x",
        '.spec.containers[name="c"]',
        '.spec.containers[name="c"].name',
        '.spec.containers[name="c"].args',
        '.spec.containers[name="c"].resources.limits.cpu',
    }


def test_kubectl_does_not_take_over_what_somebody_has_changed_since_it_applied() -> None:
    """So that an apply that turns to the server does not undo an autoscaler."""
    config = pod(nodeName="n", restartPolicy="Never")
    live = pod(nodeName="other", restartPolicy="Never")
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(config)}
    by_client = Manager("kubectl-client-side-apply", "Update", "v1")
    by_other = Manager("scaler", "Update", "v1", "scale", "2025-01-01T00:00:00Z")
    live["metadata"]["managedFields"] = entries(
        {by_client: frozenset({("f:spec", "f:restartPolicy")}), by_other: frozenset({("f:spec", "f:nodeName")})}
    )
    with pytest.raises(StatusError) as caught:
        apply(live, pod(nodeName="n", restartPolicy="Always"), Pod, Manager("kubectl", "Apply", "v1"))
    assert str(caught.value) == (
        'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using v1 at 2025-01-01T00:00:00Z: .spec.nodeName'
    )
