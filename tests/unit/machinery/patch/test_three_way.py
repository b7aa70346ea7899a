from __future__ import annotations

import json
from typing import Any

import pytest

from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.core_v1 import ConfigMap, Pod, ServiceAccount
from pilothouse.machinery.patch import strategic, three_way


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(items)}}


@pytest.mark.parametrize(
    ("type", "original", "modified", "current", "expected"),
    [
        pytest.param(
            ConfigMap,
            {"data": {"mine": "1", "gone": "1"}},
            {"data": {"mine": "2"}},
            {"data": {"mine": "1", "gone": "1", "theirs": "x"}},
            {"data": {"mine": "2", "theirs": "x"}},
            id="what was applied and is not wanted goes, what others wrote stays",
        ),
        pytest.param(
            ConfigMap, {}, {"data": {"a": "1"}}, {"data": {"b": "2"}}, {"data": {"b": "2", "a": "1"}}, id="nothing was applied before"
        ),
        pytest.param(
            Pod,
            containers({"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}),
            containers({"name": "a", "image": "a:2"}),
            containers({"name": "a", "image": "a:1", "tty": True}, {"name": "b", "image": "b:1"}, {"name": "injected", "image": "i"}),
            containers({"name": "a", "image": "a:2", "tty": True}, {"name": "injected", "image": "i"}),
            id="items of a list by their key",
        ),
        pytest.param(
            Pod,
            containers({"name": "a", "args": ["1", "2"]}),
            containers({"name": "a", "args": ["2"]}),
            containers({"name": "a", "args": ["1", "2"]}),
            containers({"name": "a", "args": ["2"]}),
            id="an atomic list is replaced",
        ),
        pytest.param(
            Pod,
            {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
            {"spec": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}},
            {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
            {"spec": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}},
            id="another member of a union",
        ),
        pytest.param(
            Deployment,
            {"spec": {"replicas": 2}},
            {"spec": {"strategy": {"type": "Recreate"}}},
            {"spec": {"replicas": 5, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
            {"spec": {"strategy": {"type": "Recreate"}}},
            id="a field given up, a union whose other member was defaulted",
        ),
        pytest.param(
            ServiceAccount,
            {"metadata": {"finalizers": ["a/a", "b/b"]}},
            {"metadata": {"finalizers": ["b/b", "c/c"]}},
            {"metadata": {"finalizers": ["a/a", "b/b", "x/x"]}},
            {"metadata": {"finalizers": ["b/b", "c/c", "x/x"]}},
            id="values of a set",
        ),
        pytest.param(
            Pod,
            containers({"name": "a"}, {"name": "b"}),
            containers({"name": "b"}, {"name": "a"}),
            containers({"name": "a"}, {"name": "b"}),
            containers({"name": "b"}, {"name": "a"}),
            id="another order",
        ),
        pytest.param(
            dict, {"spec": {"a": [1], "b": 1}}, {"spec": {"a": [2]}}, {"spec": {"a": [1], "b": 1, "c": 1}}, None, id="without a type"
        ),
    ],
)
def test_the_live_object_becomes_what_is_wanted(
    type: type[Any], original: dict[str, Any], modified: dict[str, Any], current: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    patch = three_way.create(original, modified, current, type)
    if expected is None:
        assert patch == {"spec": {"a": [2], "b": None}}
        return
    merged = strategic.apply(current, json.dumps(patch).encode(), type)
    if "finalizers" in merged.get("metadata", {}):
        merged["metadata"]["finalizers"].sort()
    assert merged == expected
    again = three_way.create(modified, modified, merged, type)
    assert "finalizers" in merged.get("metadata", {}) or again == {}, "applied once more nothing is to change"
