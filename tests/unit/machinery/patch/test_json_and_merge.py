"""JSON patch and JSON merge patch."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilothouse.api.types.core_v1 import Pod
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.patch import json as json_patch
from pilothouse.machinery.patch import merge, outcome


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        (b'{"a":{"b":null,"c":2}}', {"a": {"c": 2}, "l": [1]}),
        (b'{"l":[2]}', {"a": {"b": 1}, "l": [2]}),
        (b'{"a":1,"n":{"x":null}}', {"a": 1, "l": [1], "n": {}}),
    ],
)
def test_merge_patch(patch: bytes, expected: dict[str, Any]) -> None:
    assert merge.apply({"a": {"b": 1}, "l": [1]}, patch) == expected


def test_json_patch_does_all_operations_or_none() -> None:
    current = {"a": {"b": 1}, "l": [1, 2]}
    operations = (
        b'[{"op":"test","path":"/a/b","value":1},{"op":"add","path":"/l/-","value":3},{"op":"remove","path":"/l/0"},'
        b'{"op":"move","from":"/a/b","path":"/m"},{"op":"replace","path":"/a","value":{}}]'
    )
    assert json_patch.apply(current, operations) == {"a": {}, "l": [2, 3], "m": 1}
    assert current == {"a": {"b": 1}, "l": [1, 2]}


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        (b'[{"op":"test","path":"/a","value":2}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"remove","path":"/x"}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"replace","path":"/x/y","value":1}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"add","path":"","value":[]}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"replace","path":"","value":[]}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"copy","from":"","path":"/b"}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"move","from":"/x","path":"/b"}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"add","path":"/a/b","value":1}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"test","path":"/a","value":1.0}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"test","path":"/a","value":true}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"add","path":"b","value":1}]', 422, "the server rejected our request due to an error in our request"),
        (b'[{"op":"burn","path":"/a"}]', 422, "the server rejected our request due to an error in our request"),
        (b"[null]", 422, "the server rejected our request due to an error in our request"),
        (
            b'[{"op":"add","path":1,"value":2}]',
            400,
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string",
        ),
        (b"{}", 400, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (b'"x"', 400, "error decoding patch: json: cannot unmarshal string into Go value of type []handlers.jsonPatchOp"),
        (b"[1]", 400, "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        (b"[", 400, "invalid JSON patch"),
        (b"", 400, "invalid JSON patch"),
        (b"[] []", 400, "invalid JSON patch"),
    ],
)
def test_json_patch_refuses(patch: bytes, code: int, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        json_patch.apply({"a": 1}, patch)
    assert (caught.value.code, str(caught.value)) == (code, message)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        pytest.param({"op": "replace", "path": "/x", "value": 1}, {"l": [1, 2], "x": 1}, id="replaces a member that is not there"),
        pytest.param({"op": "add", "path": "/x"}, {"l": [1, 2], "x": None}, id="adds null where no value is said"),
        pytest.param({"op": "copy", "from": "/x", "path": "/y"}, {"l": [1, 2], "y": None}, id="copies what is not there as null"),
        pytest.param({"op": "test", "path": "/x", "value": None}, {"l": [1, 2]}, id="what is not there is null"),
        pytest.param({"op": "remove", "path": "/l/-1"}, {"l": [1]}, id="counts from the end"),
        pytest.param({"op": "add", "path": "/l/-1", "value": 3}, {"l": [1, 2, 3]}, id="adds at the end from the end"),
        pytest.param({"op": "add", "path": "/l/-3", "value": 3}, {"l": [3, 1, 2]}, id="adds at the beginning from the end"),
        pytest.param({"op": "replace", "path": "/l/+01", "value": 3}, {"l": [1, 3]}, id="reads an index as a number"),
        pytest.param({"op": "add", "path": "x/~01~1", "value": 3}, {"l": [1, 2], "~1/": 3}, id="looks at nothing before the first slash"),
        pytest.param({"op": "replace", "path": "", "value": {"a": 1}}, {"a": 1}, id="replaces the whole"),
        pytest.param({"op": "test", "path": "", "value": {"l": [1, 2]}}, {"l": [1, 2]}, id="tests the whole"),
    ],
)
def test_what_json_patches_do_beyond_the_rfc_as_upstream(operation: dict[str, Any], expected: dict[str, Any]) -> None:
    assert json_patch.apply({"l": [1, 2]}, [operation]) == expected


def test_what_is_copied_is_limited_and_a_thing_of_its_own() -> None:
    made = json_patch.apply({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}, {"op": "add", "path": "/c/d", "value": 2}])
    assert made == {"a": {"b": 1}, "c": {"b": 1, "d": 2}}
    with pytest.raises(StatusError, match="the server rejected our request"):
        json_patch.apply({"a": "x" * 1_000_000}, [{"op": "copy", "from": "/a", "path": f"/{n}"} for n in range(4)])


def test_too_many_operations_are_413() -> None:
    with pytest.raises(StatusError) as caught:
        json_patch.apply({}, [{"op": "add", "path": "/a", "value": 1}] * 10_001)
    assert caught.value.code == 413


def test_a_result_of_the_wrong_type_is_said_of_the_patch() -> None:
    with pytest.raises(StatusError) as caught:
        outcome.object_of({"spec": {"hostNetwork": 1}}, b'{"spec":{"hostNetwork":1}}', "application/merge-patch+json", Pod)
    assert caught.value.code == 422
    assert str(caught.value).startswith(
        ' "" is invalid: patch: Invalid value: "{\\"spec\\":{\\"hostNetwork\\":1}}": json: cannot unmarshal number'
    )


def test_a_field_that_a_patch_says_twice_is_told() -> None:
    patch = b'{"spec":{"nodeName":"a","nodeName":"b"}}'
    decoded = outcome.object_of({"spec": {"nodeName": "b"}}, patch, "application/merge-patch+json", Pod)
    assert decoded.warnings == ['duplicate field "spec.nodeName"']
    assert outcome.object_of({"spec": {"foo": 1}}, b"{}", "application/merge-patch+json", Pod, "Ignore").warnings == []


def test_strict_patches_name_unknown_fields() -> None:
    patched = {"spec": {"foo": 1}}
    assert outcome.object_of(patched, b"{}", "application/merge-patch+json", Pod, "Warn").warnings == ['unknown field "spec.foo"']
    with pytest.raises(StatusError, match=r'strict decoding error: unknown field "spec.foo"'):
        outcome.object_of(patched, b"{}", "application/merge-patch+json", Pod, "Strict")


def test_what_a_json_patch_does_not_know_or_says_twice_is_told_before_what_it_makes() -> None:
    patch = b'[{"op":"add","path":"/spec/b","value":1,"foo":2},{"op":"add","op":"add","path":"/spec/a","value":{"k":1,"k":2}}]'
    decoded = outcome.object_of({"spec": {"b": 1, "a": {"k": 2}}}, patch, "application/json-patch+json", Pod, "Warn")
    assert decoded.warnings == [
        'json patch unknown field "[0].foo"',
        'json patch duplicate field "[1].op"',
        'json patch duplicate field "[1].value.k"',
        'unknown field "spec.a"',
        'unknown field "spec.b"',
    ]


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        pytest.param({"map": [{"a": None, "b": 1}]}, {"map": [{"a": None, "b": 1}]}, id="a list in place of a map"),
        pytest.param({"list": [{"a": None, "b": {"c": None}}, None]}, {"list": [{"b": {}}, None]}, id="a list in place of a list"),
        pytest.param({"new": [{"a": None, "b": [{"c": None}]}]}, {"new": [{"b": [{}]}]}, id="a new list"),
        pytest.param({"text": [{"a": None}]}, {"text": [{}]}, id="a list in place of a text"),
        pytest.param({"text": {"a": None, "b": [{"d": None}]}}, {"text": {"b": [{}]}}, id="below a map in place of a text"),
    ],
)
def test_nulls_in_the_lists_of_a_merge_patch(patch: dict[str, Any], after: dict[str, Any]) -> None:
    """As found beside kube-apiserver 1.37.2: they remove nothing, and go, but where a list replaces a map."""
    current = {"map": {"x": 1}, "list": [1], "text": "t"}
    assert merge.apply(current, msgspec.json.encode(patch)) == current | after
