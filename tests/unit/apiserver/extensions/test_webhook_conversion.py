"""Custom kinds whose versions a webhook converts, over HTTP: reads, lists, watches and writes in every version."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.webhooks.endpoint import Endpoint
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.client.client import Client
from pilothouse.machinery.errors import StatusError
from tests.unit.apiserver.extensions.definitions import DEFINITIONS, WIDGETS, define, definition, gone, version, widget
from tests.unit.apiserver.serving import Caller, calling, serving
from tests.unit.apiserver.webhooks.servers import certificate, serving_webhook

V2 = WIDGETS.replace("v1", "v2")
MERGE = "application/merge-patch+json"
FIELDS = {"v1": "size", "v2": "dimension"}
Map = dict[str, Any]
BEHIND = "ResourceVersion: 0, AdditionalErrorMsg: object not decodable revision=REVISION: "
CORRUPT = f"StorageError: corrupt object, Code: 7, Key: /example.com/widgets/default/a, {BEHIND}"
CORRUPT_KEY = f"StorageError: corrupt object, Code: 7, Key: /registry/example.com/widgets/default/a, {BEHIND}"


class Webhook:
    """Renames spec.size to spec.dimension and back; `calls` are the numbers of objects that it was asked for."""

    async def aclose(self) -> None:
        """Nothing is open."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.fails = ""

    async def call(self, endpoint: Endpoint, review: bytes, seconds: float) -> bytes:
        if self.fails:
            raise CallFailed(self.fails)
        assert (endpoint.url(seconds), seconds) == ("https://127.0.0.1:1/convert?timeout=30s", 30)
        request = msgspec.json.decode(review)["request"]
        self.calls.append(len(request["objects"]))
        made = [self.convert(obj, request["desiredAPIVersion"]) for obj in request["objects"]]
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": made}
        return msgspec.json.encode({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response})

    def convert(self, obj: Map, wanted: str) -> Map:
        assert {"apiVersion", "kind", "metadata", "spec"} <= obj.keys(), obj
        assert obj["metadata"]["name"], obj
        before, after = FIELDS[obj["apiVersion"].rpartition("/")[2]], FIELDS[wanted.rpartition("/")[2]]
        spec = dict(obj["spec"])
        if before in spec:
            spec[after] = spec.pop(before)
        return {**obj, "apiVersion": wanted, "spec": spec}


def schema(name: str) -> Map:
    spec = {"type": "object", "properties": {name: {"type": "integer", "minimum": 1}, "note": {"type": "string"}}}
    status = {"type": "object", "properties": {"phase": {"type": "string"}}}
    return {"type": "object", "properties": {"spec": spec, "status": status}}


def widgets(stored: str = "v1") -> Map:
    selectable: Map = {"v1": [], "v2": [{"jsonPath": ".spec.dimension"}]}

    def more(name: str) -> Map:
        return {"selectableFields": selectable[name], "subresources": {"status": {}}}

    made = definition(*(version(name, schema(FIELDS[name]), storage=name == stored, **more(name)) for name in FIELDS))
    webhook = {"clientConfig": {"url": "https://127.0.0.1:1/convert"}, "conversionReviewVersions": ["v1"]}
    made["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    return made


@asynccontextmanager
async def converting(folder: Path) -> AsyncIterator[tuple[Caller, Webhook, Client]]:
    async with serving(folder) as served, aiohttp.ClientSession() as session:
        webhook = Webhook()
        served.registry.store.webhooks = webhook  # type: ignore[assignment]
        call = Caller(served.url, session)
        await define(call, widgets())
        yield call, webhook, Client(served.registry.transport(ADMIN))


async def test_each_version_is_read_and_written(tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, webhook, _):
        await call("POST", WIDGETS, widget("a", spec={"size": 1}))
        assert webhook.calls == []
        assert (await call("GET", f"{V2}/a")).json()["spec"] == {"dimension": 1}
        await call("GET", f"{V2}/a")
        assert webhook.calls == [1]
        made = await call("POST", V2, widget("b", "v2", spec={"dimension": 2}))
        assert (made.status, made.json()["spec"]) == (201, {"dimension": 2})
        assert (await call("GET", f"{WIDGETS}/b")).json()["spec"] == {"size": 2}
        changed = await call("PATCH", f"{V2}/a", b'{"spec":{"dimension":5}}', Content_Type=MERGE)
        assert (changed.json()["spec"], changed.json()["metadata"]["generation"]) == ({"dimension": 5}, 2)
        refused = await call("PATCH", f"{V2}/a", b'{"spec":{"dimension":0}}', Content_Type=MERGE)
        assert (refused.status, refused.json()["details"]["causes"][0]["field"]) == (422, "spec.dimension")
        applied = await call(
            "PATCH", f"{V2}/b?fieldManager=x&force=1", widget("b", "v2", spec={"note": "n"}), Content_Type="application/apply-patch+yaml"
        )
        assert applied.json()["spec"] == {"dimension": 2, "note": "n"}
        owned = await call(
            "PATCH", f"{WIDGETS}/b?fieldManager=x", widget("b", spec={"size": 2}), Content_Type="application/apply-patch+yaml"
        )
        assert (owned.status, owned.json()["spec"]) == (200, {"size": 2})


@pytest.mark.parametrize("written", ["v1", "v2"])
async def test_the_record_of_fields_needs_whole_objects(written: str, tmp_path: Path) -> None:
    """Owners of fields in one version are compared with a change in another: the webhook sees the objects, not what has changed of them."""
    path = {"v1": WIDGETS, "v2": V2}
    other = "v2" if written == "v1" else "v1"
    async with converting(tmp_path) as (call, _, _):
        await call("POST", path[other], widget("a", other, spec={FIELDS[other]: 1}))
        for body in (b'{"status":{"phase":"x"}}', b'{"status":{"phase":"y"}}'):
            changed = await call("PATCH", f"{path[written]}/a/status", body, Content_Type=MERGE)
            assert changed.status == 200, changed.body
        labelled = await call("PATCH", f"{path[written]}/a", b'{"metadata":{"labels":{"a":"b"}}}', Content_Type=MERGE)
        assert labelled.status == 200, labelled.body
        entries = labelled.json()["metadata"]["managedFields"]
        owners = {(entry["apiVersion"].rpartition("/")[2], *entry["fieldsV1"]) for entry in entries}
        assert owners == {(other, "f:spec"), (written, "f:metadata"), (written, "f:status")}


async def test_a_list_is_converted_by_one_call(tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, webhook, _):
        for name in "abc":
            await call("POST", WIDGETS, widget(name, spec={"size": ord(name) - 96}))
        listed = (await call("GET", V2)).json()
        assert [item["spec"] for item in listed["items"]] == [{"dimension": 1}, {"dimension": 2}, {"dimension": 3}]
        assert webhook.calls == [3]
        chosen = (await call("GET", f"{V2}?fieldSelector=spec.dimension=2")).json()
        assert ([item["metadata"]["name"] for item in chosen["items"]], webhook.calls) == (["b"], [3])


async def test_a_watch_sees_the_version_that_it_asked_for(tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, _, client):
        await call("POST", WIDGETS, widget("a", spec={"size": 1}))
        resource = client.catalogue.by_plural("example.com", "v2", "widgets")
        assert resource is not None
        events = client.watch(resource.type, "default")
        await call("POST", WIDGETS, widget("b", spec={"size": 7}))
        seen = await anext(events)
        while seen.object.metadata.name != "b":
            seen = await anext(events)
        assert (seen.type, seen.object.apiVersion, seen.object.content["spec"]) == ("ADDED", "example.com/v2", {"dimension": 7})
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_webhook_that_is_down_fails_what_needs_it_alone(tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, webhook, _):
        await call("POST", WIDGETS, widget("a", spec={"size": 1}))
        webhook.fails = 'Post "https://127.0.0.1:1/convert?timeout=30s": dial tcp 127.0.0.1:1: connect: connection refused'
        told = f"conversion webhook for example.com/v1, Kind=Widget failed: {webhook.fails}"
        for method, path, body, message in (
            ("GET", f"{V2}/a", None, f"Internal error occurred: {CORRUPT}"),
            ("DELETE", f"{V2}/a", None, f"Internal error occurred: {CORRUPT}"),
            ("GET", V2, None, f"failed to read one or more widgets.example.com from the storage: {CORRUPT_KEY}"),
            ("DELETE", V2, None, f"failed to read one or more widgets.example.com from the storage: {CORRUPT_KEY}"),
            ("PATCH", f"{V2}/a", b"{}", "object not decodable revision=REVISION: "),
            ("PUT", f"{V2}/a", widget("a", "v2", spec={}), "object not decodable revision=REVISION: "),
        ):
            named = {"Content_Type": MERGE} if method == "PATCH" else {}
            failed = await call(method, path, body, **named)
            assert failed.status == 500
            assert re.sub(r"revision=\d+", "revision=REVISION", failed.json()["message"]) == message + told
        assert (await call("GET", WIDGETS)).status == 200
        assert (await call("POST", V2, widget("b", "v2", spec={"dimension": 2}))).status == 500
        webhook.fails = ""
        assert (await call("GET", f"{V2}/a")).json()["spec"] == {"dimension": 1}


async def test_what_is_stored_in_the_old_version_is_converted_when_it_is_read(tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, webhook, _):
        await call("POST", WIDGETS, widget("a", spec={"size": 4}))
        found = (await call("GET", f"{DEFINITIONS}/widgets.example.com")).json()
        found["spec"] = widgets("v2")["spec"]
        found["spec"]["versions"][0]["served"] = False
        await call("PUT", f"{DEFINITIONS}/widgets.example.com", found)
        await gone(call, WIDGETS)
        assert (await call("GET", f"{V2}/a")).json()["spec"] == {"dimension": 4}
        assert webhook.calls == [1]


@pytest.mark.parametrize("path", [WIDGETS, V2])
async def test_deleting_needs_no_webhook_for_the_stored_version(path: str, tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, webhook, _):
        await call("POST", WIDGETS, widget("a", spec={"size": 4}))
        assert (await call("DELETE", f"{path}/a")).status == 200
        assert (await call("GET", f"{WIDGETS}/a")).status == 404
        assert webhook.calls == ([] if path == WIDGETS else [1])


async def test_the_loop_never_waits_for_a_webhook(tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, _, client):
        await call("POST", WIDGETS, widget("a", spec={"size": 4}))
        stored, other = (client.catalogue.by_plural("example.com", name, "widgets") for name in FIELDS)
        assert stored is not None
        assert other is not None
        assert other.from_stored is not None
        obj = await client.get(stored.type, "a", "default")
        with pytest.raises(StatusError, match="cannot be waited for here"):
            other.from_stored(obj)


async def test_over_https_beside_an_admission_webhook_of_the_other_version(tmp_path: Path) -> None:
    convert = Webhook().convert

    def answer(review: Map) -> Map:
        request = review["request"]
        if review["kind"] == "ConversionReview":
            made = [convert(obj, request["desiredAPIVersion"]) for obj in request["objects"]]
            response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": made}
        else:
            response = {"uid": request["uid"], "allowed": True}
        return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}

    async with calling(tmp_path) as call, serving_webhook(answer, certificate(tmp_path / "webhook")) as server:
        wanted = widgets()
        wanted["spec"]["conversion"]["webhook"]["clientConfig"] = {"url": f"{server.url}/convert", "caBundle": server.bundle}
        await define(call, wanted)
        rules = {"operations": ["CREATE"], "apiGroups": ["example.com"], "apiVersions": ["v2"], "resources": ["widgets"]}
        admission = {"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "rules": [rules]}
        admission["clientConfig"] = {"url": f"{server.url}/admit", "caBundle": server.bundle}
        configurations = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        assert (await call("POST", configurations, {"metadata": {"name": "a"}, "webhooks": [admission]})).status == 201
        for number in range(100):  # until the configuration acts
            made = await call("POST", WIDGETS, widget(f"w{number}", spec={"size": 3}))
            assert made.status == 201, made.body
            if admitted := [review for review in server.reviews if review["kind"] == "AdmissionReview"]:
                break
        assert admitted[0]["request"]["object"]["spec"] == {"dimension": 3}
        assert (await call("GET", f"{V2}/w0")).json()["spec"] == {"dimension": 3}


POLICIES = "/apis/admissionregistration.k8s.io/v1"
OF_V2 = {"apiGroups": ["example.com"], "apiVersions": ["v2"], "resources": ["widgets"], "operations": ["CREATE", "UPDATE"]}
DENYING = {
    "matchConstraints": {"resourceRules": [OF_V2]},
    "matchConditions": [{"name": "kind", "expression": "object.apiVersion == 'example.com/v2'"}],
    "validations": [
        {
            "expression": "object.spec.dimension < 5 && (oldObject == null || oldObject.spec.dimension < object.spec.dimension)",
            "messageExpression": "'not ' + string(object.spec.dimension)",
        }
    ],
}
NOTE = "Object{spec: Object.spec{note: string(object.spec.dimension)}}"
NOTING = {
    "matchConstraints": {"resourceRules": [OF_V2]},
    "reinvocationPolicy": "Never",
    "mutations": [
        {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": NOTE}},
        {
            "patchType": "JSONPatch",
            "jsonPatch": {"expression": "[JSONPatch{op: 'replace', path: '/spec/note', value: object.spec.note + '!'}]"},
        },
    ],
}


async def configure(call: Caller, kind: str, spec: Map, **bound: Any) -> None:
    assert (await call("POST", f"{POLICIES}/{kind}policies", {"metadata": {"name": "p"}, "spec": spec})).status == 201
    binding = {"metadata": {"name": "b"}, "spec": {"policyName": "p", **bound}}
    assert (await call("POST", f"{POLICIES}/{kind}policybindings", binding)).status == 201


async def test_a_policy_of_another_version_sees_what_the_webhook_makes_of_the_object(tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, webhook, _):
        await configure(call, "validatingadmission", DENYING, validationActions=["Deny"])
        assert (await call("POST", WIDGETS, widget("a", spec={"size": 2}))).status == 201
        assert webhook.calls == [1]
        refused = await call("POST", WIDGETS, widget("b", spec={"size": 7}))
        assert (refused.status, refused.json()["message"]) == (
            422,
            "widgets.example.com \"b\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not 7",
        )
        lower = await call("PATCH", f"{WIDGETS}/a", b'{"spec":{"size":1}}', Content_Type=MERGE)
        assert (lower.status, lower.json()["message"].rpartition(": ")[2]) == (422, "not 1")
        assert (await call("PATCH", f"{WIDGETS}/a", b'{"spec":{"size":3}}', Content_Type=MERGE)).status == 200
        webhook.fails = "down"
        failed = await call("POST", WIDGETS, widget("c", spec={"size": 2}))
        assert failed.json()["message"] == (
            "widgets.example.com \"c\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed to configure "
            "binding: failed to convert object version: conversion webhook for example.com/v1, Kind=Widget failed: down"
        )


async def test_a_mutation_of_another_version_is_converted_back(tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, webhook, _):
        await configure(call, "mutatingadmission", NOTING)
        made = await call("POST", WIDGETS, widget("a", spec={"size": 2}))
        assert (made.status, made.json()["spec"]) == (201, {"size": 2, "note": "2!"})
        assert webhook.calls == [1, 1, 1]  # there, back, and there for the second pass, which then asks nobody
        webhook.fails = "down"
        failed = await call("POST", WIDGETS, widget("c", spec={"size": 2}))
        assert failed.json()["message"] == (
            'policy "p" denied request: failed to configure policy: conversion webhook for example.com/v1, Kind=Widget failed: down'
        )


async def test_conversions_are_counted_by_how_they_end(tmp_path: Path) -> None:
    async with converting(tmp_path) as (call, webhook, _):
        await call("POST", WIDGETS, widget("a", spec={"size": 1}))
        webhook.fails = "down"
        assert (await call("GET", f"{V2}/a")).status == 500
        webhook.fails = ""
        convert, webhook.convert = webhook.convert, lambda obj, wanted: {**obj, "apiVersion": wanted, "kind": "Gadget"}  # type: ignore[method-assign]
        assert (await call("GET", f"{V2}/a")).status == 500
        webhook.convert = convert  # type: ignore[method-assign]
        assert (await call("GET", f"{V2}/a")).status == 200
        said = (await call("GET", "/metrics")).body.decode().splitlines()
    of_requests = {line for line in said if line.startswith("apiserver_conversion_webhook_request_total")}
    assert of_requests == {
        f'apiserver_conversion_webhook_request_total{{failure_type="{failure}",result="{result}"}} 1.0'
        for failure, result in (
            ("", "success"),
            ("conversion_webhook_call_failure", "failure"),
            ("conversion_webhook_invalid_converted_object_failure", "failure"),
        )
    }
    labels = 'crd_name="widgets.example.com",from_version="v1",succeeded="%s",to_version="v2"'
    of_kinds = {line for line in said if line.startswith("apiserver_crd_conversion_webhook_duration_seconds_count")}
    assert of_kinds == {
        f"apiserver_crd_conversion_webhook_duration_seconds_count{{{labels % succeeded}}} {count}"
        for succeeded, count in (("true", "1.0"), ("false", "2.0"))
    }
