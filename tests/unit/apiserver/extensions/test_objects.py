"""Custom objects by their schema: unknown fields, defaults, validation, status, scale, generation, selectable fields, several versions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.apiserver.extensions.definitions import DEFINITIONS, WIDGETS, define, definition, gone, version, widget
from tests.unit.apiserver.serving import Caller, calling

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
PORT = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 3, "minimum": 1},
                "color": {"type": "string"},
                "replicas": {"type": "integer"},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
                    },
                },
            },
        },
        "status": {
            "type": "object",
            "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}, "phase": {"type": "string", "enum": ["Ready"]}},
        },
    },
}
SCALE = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}
SUBRESOURCES = {"status": {}, "scale": SCALE}


@pytest.fixture
async def call(tmp_path: Path) -> AsyncIterator[Caller]:
    async with calling(tmp_path) as caller:
        selectable = [{"jsonPath": ".spec.color"}]
        await define(caller, definition(version(schema=SCHEMA, subresources=SUBRESOURCES, selectableFields=selectable)))
        yield caller


async def test_defaults_are_filled_in(call: Caller) -> None:
    made = (await call("POST", WIDGETS, widget("a", spec={}))).json()
    assert made["spec"] == {"size": 3}
    again = (await call("PATCH", f"{WIDGETS}/a", b'{"spec":{"size":null}}', Content_Type=MERGE)).json()
    assert (again["spec"], again["metadata"]["generation"]) == ({"size": 3}, 1)


UNKNOWN = widget("a", spec={"size": 1, "zz": 1, "ports": [{"name": "x", "q": 1}]}, other=1)
UNKNOWN["metadata"]["foo"] = 1
TOLD = ["metadata.foo", "other", "spec.ports[0].q", "spec.zz"]


async def test_unknown_fields_are_taken_out_and_warned_of(call: Caller) -> None:
    made = await call("POST", WIDGETS, UNKNOWN)
    assert made.headers.getall("Warning") == [f'299 - "unknown field \\"{path}\\""' for path in TOLD]
    assert made.json()["spec"] == {"size": 1, "ports": [{"name": "x"}]}
    assert "other" not in made.json()
    ignored = await call("PATCH", f"{WIDGETS}/a?fieldValidation=Ignore", b'{"spec":{"zz":1}}', Content_Type=MERGE)
    assert ("Warning" in ignored.headers, ignored.json()["spec"]) == (False, {"size": 1, "ports": [{"name": "x"}]})


async def test_unknown_and_duplicate_fields_are_refused_when_strict(call: Caller) -> None:
    body = b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"b","foo":1},"spec":{"size":1,"size":2,"zz":1}}'
    refused = await call("POST", f"{WIDGETS}?fieldValidation=Strict", body, Content_Type="application/json")
    told = 'duplicate field "spec.size", unknown field "metadata.foo", unknown field "spec.zz"'
    assert refused.status == 400
    assert refused.json()["message"] == f'Widget in version "v1" cannot be handled as a Widget: strict decoding error: {told}'
    await call("POST", WIDGETS, widget("a"))
    patched = await call("PATCH", f"{WIDGETS}/a?fieldValidation=Strict", b'{"spec":{"zz":1}}', Content_Type=MERGE)
    assert (patched.status, 'strict decoding error: unknown field \\"spec.zz\\"' in patched.body.decode()) == (422, True)


async def test_what_the_schema_forbids_is_refused(call: Caller) -> None:
    refused = await call("POST", WIDGETS, widget("a", spec={"size": 0, "color": 7}))
    assert refused.status == 422
    assert refused.json()["details"]["causes"] == [
        {
            "reason": "FieldValueTypeInvalid",
            "message": 'Invalid value: "integer": spec.color in body must be of type string: "integer"',
            "field": "spec.color",
        },
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: 0: spec.size in body should be greater than or equal to 1",
            "field": "spec.size",
        },
    ]


async def test_whole_numbers_are_integers(call: Caller) -> None:
    body = b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"size":2.0}}'
    made = await call("POST", WIDGETS, body, Content_Type="application/json")
    assert (made.status, b'"size":2}' in made.body) == (201, True)


async def test_status_and_spec_are_written_apart(call: Caller) -> None:
    made = (await call("POST", WIDGETS, widget("a", spec={"size": 1}, status={"phase": "Ready"}))).json()
    assert "status" not in made
    version = {"resourceVersion": made["metadata"]["resourceVersion"]}
    body = widget("a", spec={"size": 9}, status={"phase": "Ready"})
    body["metadata"] |= {"labels": {"a": "b"}, **version}
    seen = (await call("PUT", f"{WIDGETS}/a/status", body)).json()
    assert (seen["spec"], seen["status"], seen["metadata"].get("labels")) == ({"size": 1}, {"phase": "Ready"}, None)
    assert seen["metadata"]["generation"] == 1
    refused = await call("PATCH", f"{WIDGETS}/a/status", b'{"status":{"phase":"Lost"}}', Content_Type=MERGE)
    assert refused.json()["message"] == (
        'Widget.example.com "a" is invalid: status.phase: Unsupported value: "Lost": supported values: "Ready"'
    )
    moved = (await call("PATCH", f"{WIDGETS}/a", b'{"spec":{"size":2},"status":{"phase":"x"}}', Content_Type=MERGE)).json()
    assert (moved["metadata"]["generation"], moved["status"]) == (2, {"phase": "Ready"})


async def test_an_update_must_say_its_version(call: Caller) -> None:
    await call("POST", WIDGETS, widget("a"))
    refused = await call("PUT", f"{WIDGETS}/a", widget("a"))
    assert (refused.status, refused.json()["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")


async def test_scale(call: Caller) -> None:
    await call("POST", WIDGETS, widget("a", spec={"size": 1}))
    missing = await call("GET", f"{WIDGETS}/a/scale")
    assert (missing.status, missing.json()["message"]) == (
        500,
        'Internal error occurred: the spec replicas field ".spec.replicas" does not exist',
    )
    empty = await call("PATCH", f"{WIDGETS}/a/scale", b'{"metadata":{"labels":{}}}', Content_Type=MERGE)
    assert (empty.status, empty.json()["message"]) == (400, 'the spec replicas field ".spec.replicas" cannot be empty')
    set_to = await call("PATCH", f"{WIDGETS}/a/scale", b'{"spec":{"replicas":4}}', Content_Type=MERGE)
    assert (set_to.status, set_to.json()["spec"], set_to.json()["kind"]) == (200, {"replicas": 4}, "Scale")
    await call("PATCH", f"{WIDGETS}/a/status", b'{"status":{"replicas":2,"selector":"a=b"}}', Content_Type=MERGE)
    assert (await call("GET", f"{WIDGETS}/a/scale")).json()["status"] == {"replicas": 2, "selector": "a=b"}
    below = await call("PATCH", f"{WIDGETS}/a/scale", b'{"spec":{"replicas":-1}}', Content_Type=MERGE)
    assert below.json()["message"] == (
        'Widget.example.com "a" is invalid: .spec.replicas: Invalid value: -1: should be a non-negative integer'
    )
    found = (await call("GET", f"{WIDGETS}/a")).json()
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (4, 2)


async def test_fields_may_be_selected_by(call: Caller) -> None:
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red"), ("d", "")):
        await call("POST", WIDGETS, widget(name, spec={"color": color} if color else {}))

    async def names(selector: str) -> Any:
        answer = await call("GET", f"{WIDGETS}?fieldSelector={selector}")
        return [item["metadata"]["name"] for item in answer.json()["items"]] if answer.status == 200 else answer.json()["message"]

    assert await names("spec.color=red") == ["a", "c"]
    assert await names("spec.color!=red") == ["b", "d"]
    assert await names("spec.color=") == ["d"]
    assert await names("spec.size=3") == "field label not supported: spec.size"
    await call("PATCH", f"{WIDGETS}/a", b'{"spec":{"color":"blue"}}', Content_Type=MERGE)
    assert await names("spec.color=blue,metadata.namespace=default") == ["a", "b"]


async def test_apply_merges_lists_by_their_keys(call: Caller) -> None:
    for manager, port in (("one", 80), ("two", 443)):
        body = widget("a", spec={"ports": [{"name": manager, "port": port}]})
        applied = await call("PATCH", f"{WIDGETS}/a?fieldManager={manager}", body, Content_Type=APPLY)
    assert applied.json()["spec"]["ports"] == [{"name": "one", "port": 80}, {"name": "two", "port": 443}]
    conflict = await call(
        "PATCH", f"{WIDGETS}/a?fieldManager=two", widget("a", spec={"ports": [{"name": "one", "port": 8080}]}), Content_Type=APPLY
    )
    assert (conflict.status, conflict.json()["details"]["causes"][0]["field"]) == (409, '.spec.ports[name="one"].port')
    unknown = await call("PATCH", f"{WIDGETS}/a?fieldManager=two", widget("a", spec={"zz": 1}), Content_Type=APPLY)
    assert (unknown.status, ".spec.zz: field not declared in schema" in unknown.json()["message"]) == (500, True)


async def test_what_is_no_way_to_patch(call: Caller) -> None:
    refused = await call("PATCH", f"{WIDGETS}/a", b"{}", Content_Type="application/strategic-merge-patch+json")
    assert (refused.status, refused.json()["message"]) == (
        415,
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    )


async def test_finalizers_without_a_domain_are_warned_of(call: Caller) -> None:
    body = widget("a")
    body["metadata"]["finalizers"] = ["foo", "a.b", "x.y/z"]
    told = (await call("POST", WIDGETS, body)).headers.getall("Warning")
    assert [text.partition("prefer ")[2].split()[3] for text in told] == ["including", "name"] or len(told) == 2


TWO = (
    version("v1", SCHEMA, storage=True, deprecated=True),
    version("v2", {**SCHEMA, "properties": {"spec": {"type": "object", "properties": {"color": {"type": "string"}}}}}, storage=False),
    version("v3", storage=False, served=False),
)
V2 = WIDGETS.replace("v1", "v2")


async def test_versions_differ_by_name_and_schema(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        await define(call, definition(*TWO))
        made = await call("POST", WIDGETS, widget("a", spec={"color": "red"}))
        assert made.headers.getall("Warning") == ['299 - "example.com/v1 Widget is deprecated; use example.com/v2 Widget"']
        seen = (await call("GET", f"{V2}/a")).json()
        assert (seen["apiVersion"], seen["spec"]) == ("example.com/v2", {"color": "red"})
        assert (await call("GET", f"{WIDGETS.replace('v1', 'v3')}/a")).status == 404
        changed = await call("PATCH", f"{V2}/a", b'{"spec":{"color":"blue"}}', Content_Type=MERGE)
        assert (changed.status, changed.json()["spec"]) == (200, {"color": "blue"})
        back = (await call("GET", f"{WIDGETS}/a")).json()
        assert (back["spec"], back["metadata"]["generation"]) == ({"color": "blue", "size": 3}, 2)
        listed = (await call("GET", V2)).json()
        assert (listed["apiVersion"], [item["apiVersion"] for item in listed["items"]]) == ("example.com/v2", ["example.com/v2"])


async def test_the_storage_version_may_change_and_old_objects_are_read(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        await define(call, definition(*TWO))
        made = (await call("POST", WIDGETS, widget("a", spec={"color": "red"}))).json()
        found = (await call("GET", f"{DEFINITIONS}/widgets.example.com")).json()
        found["spec"]["versions"] = [version("v1", SCHEMA, storage=False, served=False), version("v2", SCHEMA)]
        changed = await call("PUT", f"{DEFINITIONS}/widgets.example.com", found)
        assert changed.json()["status"]["storedVersions"] == ["v1", "v2"]
        await gone(call, WIDGETS)
        read = (await call("GET", f"{V2}/a")).json()
        assert (read["spec"], read["metadata"]["resourceVersion"]) == ({"color": "red", "size": 3}, made["metadata"]["resourceVersion"])
        written = (await call("PUT", f"{V2}/a", read)).json()
        assert written["metadata"]["resourceVersion"] != read["metadata"]["resourceVersion"]
        assert (await call("PUT", f"{V2}/a", written)).json()["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]


async def test_a_new_default_is_seen_in_old_objects(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        await define(
            call, definition(version(schema={"type": "object", "properties": {"spec": {"type": "object"}, "old": {"type": "string"}}}))
        )
        await call("POST", WIDGETS, widget("a", spec={}, old="x"))
        found = (await call("GET", f"{DEFINITIONS}/widgets.example.com")).json()
        found["spec"]["versions"] = [version(schema=SCHEMA)]
        await call("PUT", f"{DEFINITIONS}/widgets.example.com", found)
        for _ in range(200):
            seen = (await call("GET", f"{WIDGETS}/a")).json()
            if "old" not in seen:
                break
        assert (seen["spec"], "old" in seen) == ({"size": 3}, False)
