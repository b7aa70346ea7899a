"""Strategic merge patch: lists by their keys, and the directives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import Pod
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.patch import strategic


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


A, B = {"name": "a", "image": "1"}, {"name": "b", "image": "2"}


@pytest.mark.parametrize(
    ("current", "patch", "expected"),
    [
        pytest.param(pod(A, B), pod({"name": "b", "image": "3"}), pod(A, {"name": "b", "image": "3"}), id="merges an item by its key"),
        pytest.param(pod(A), pod({"name": "c"}), pod({"name": "c"}, A), id="what the patch adds comes first, as upstream has it"),
        pytest.param(pod(A, B), pod({"name": "a", "$patch": "delete"}), pod(B), id="deletes an item"),
        pytest.param(pod(A, B), pod({"name": "c"}, {"$patch": "replace"}), pod({"name": "c"}), id="replaces a list"),
        pytest.param({"spec": {"a": 1, "b": 2}}, {"spec": {"$patch": "replace", "c": 3}}, {"spec": {"c": 3}}, id="replaces a map"),
        pytest.param({"spec": {"a": 1}}, {"spec": {"$patch": "delete"}}, {"spec": {}}, id="deletes a map"),
        pytest.param({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": None}}}, {"metadata": {"labels": {}}}, id="null"),
        pytest.param(
            pod(A, B),
            {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}},
            pod(B, A),
            id="orders a list that the patch does not touch",
        ),
        pytest.param(
            pod(A, {"name": "server"}, B),
            {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b", "tty": True}]}},
            pod({"name": "server"}, {"name": "b", "image": "2", "tty": True}, A),
            id="what the patch does not name keeps its place before what stood behind it",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}},
            {"metadata": {"finalizers": ["c", "b"]}},
            id="removes from and adds to a list of values",
        ),
        pytest.param(
            pod(volumes=[{"name": "v", "emptyDir": {}}]),
            {"spec": {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/x"}}]}},
            pod(volumes=[{"name": "v", "hostPath": {"path": "/x"}}]),
            id="drops the other members of a union",
        ),
        pytest.param(pod(tolerations=[{"key": "a"}]), pod(tolerations=[{"key": "b"}]), pod(tolerations=[{"key": "b"}]), id="atomic list"),
        pytest.param(
            pod({"name": "a", "ports": [{"containerPort": 80}]}),
            pod({"name": "a", "ports": [{"containerPort": 80, "name": "http"}]}),
            pod({"name": "a", "ports": [{"containerPort": 80, "name": "http"}]}),
            id="keys that are numbers",
        ),
        pytest.param({}, pod({"name": "a", "$patch": "delete"}, B), pod(B), id="directives do not get into what was not there"),
    ],
)
def test_merges(current: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = json.dumps(current)
    assert strategic.apply(current, json.dumps(patch).encode(), Pod) == expected
    assert json.dumps(current) == before


def test_a_deployments_strategy_changes_its_type() -> None:
    current = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic.apply(current, patch, Deployment) == {"spec": {"strategy": {"type": "Recreate"}}}


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        (pod({"image": "x"}), 500, "map: map[image:x] does not contain declared merge key: name"),
        ({"spec": {"$patch": "burn"}}, 500, "unknown patch type: burn in map: map[$patch:burn]"),
        ({"spec": {"$patch": 1}}, 500, "unknown patch type: %!s(int64=1) in map: map[$patch:1]"),
        ({"spec": {"$retainKeys": ["a"], "b": 1}}, 400, "invalid patch format of retainKeys"),
        ({"spec": {"$retainKeys": "a"}}, 400, "invalid patch format of retainKeys"),
        (pod({"name": "a", "$patch": "merge"}), 500, "merging lists cannot yet be specified in the patch"),
        (pod({"$patch": "delete"}), 500, "map: map[$patch:delete] does not contain declared merge key: name"),
        ({"spec": {"containers": ["x"]}}, 500, "list element types are not identical: [[map[image:1 name:a]] [x]]"),
        ({"spec": {"containers": [None]}}, 500, "list element types are not identical: [[map[image:1 name:a]] [<nil>]]"),
        ({"spec": {"$setElementOrder/containers": [1]}}, 500, "value for key 0 is not a map"),
        (
            {"spec": {"$setElementOrder/nope": []}},
            500,
            'unable to find api field in struct PodSpec for the json field "nope"',
        ),
        (
            {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a"}, {"name": "b"}]}},
            500,
            "The order in patch list:\n[map[name:a] map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:b] map[name:a]]\n",
        ),
        ({"spec": {"$setElementOrder/containers": 1}}, 500, "expected a []interface {}, but received a int64"),
        ([], 400, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ],
)
def test_refuses(patch: dict[str, Any], code: int, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        strategic.apply(pod(A), patch, Pod)
    assert (caught.value.code, str(caught.value)) == (code, message)


def test_custom_resources_have_no_strategy() -> None:
    with pytest.raises(StatusError) as caught:
        strategic.apply({}, b"{}", dict)
    assert caught.value.code == 415
