"""Fields of features that are off."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.disabled import OFF, drop_disabled
from pilothouse.api.fields import json_fields
from pilothouse.machinery.codec import clone, encode
from tests.unit.api.objects import parsed

CONTAINER = {"name": "c", "image": "i"}


VERSIONS = {"Pod": "v1", "ResourceSlice": "resource.k8s.io/v1", "CronJob": "batch/v1"}


def thing(kind: str, **rest: Any) -> Any:
    return parsed({"apiVersion": VERSIONS[kind], "kind": kind, **rest})


def pod(**spec: Any) -> Any:
    return thing("Pod", spec={"containers": [CONTAINER], **spec})


def slice_of(**device: Any) -> Any:
    return thing("ResourceSlice", spec={"driver": "d", "devices": [{"name": "n", **device}]})


CASES = [
    pytest.param(pod(schedulingGroup={"podGroupName": "g"}), pod(), id="a field of the spec"),
    pytest.param(pod(containers=[CONTAINER | {"lifecycle": {"stopSignal": "SIGHUP"}}]), pod(), id="all of a lifecycle"),
    pytest.param(
        pod(volumes=[{"name": "v", "secret": {"secretName": "s", "defaultUser": 0, "items": [{"key": "k", "path": "p", "user": 7}]}}]),
        pod(volumes=[{"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "p"}]}}]),
        id="in lists of lists",
    ),
    pytest.param(slice_of(attributes={"a": {"int": 1, "ints": [1]}}), slice_of(attributes={"a": {"int": 1}}), id="in the values of a map"),
    pytest.param(
        thing("CronJob", spec={"jobTemplate": {"spec": {"scheduling": {}, "template": {"spec": {"evictionResponders": [{"name": "x"}]}}}}}),
        thing("CronJob", spec={"jobTemplate": {"spec": {"template": {"spec": {}}}}}),
        id="in a template of a template",
    ),
    pytest.param(pod(nodeName="n"), pod(nodeName="n"), id="nothing"),
]


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_a_new_object_loses_them(given: Any, expected: Any) -> None:
    new = clone(given)
    drop_disabled(new)
    assert encode(new) == encode(expected)


@pytest.mark.parametrize(
    ("old", "keeps"),
    [
        pytest.param(pod(), False, id="not in use"),
        pytest.param(pod(schedulingGroup={"podGroupName": "g"}), True, id="in use"),
        pytest.param(pod(evictionResponders=[{"name": "x"}]), False, id="another feature in use"),
    ],
)
def test_an_update_keeps_what_the_old_object_uses(old: Any, keeps: bool) -> None:
    new = pod(schedulingGroup={"podGroupName": "other"})
    drop_disabled(new, old)
    assert (new.spec.schedulingGroup is not None) is keeps


def test_every_field_is_one_of_the_table() -> None:
    named = [full.rpartition(".") for fields in OFF.values() for full in fields]
    assert [(kind, field) for kind, _, field in named if field not in {each.json for each in json_fields(kind)}] == []
