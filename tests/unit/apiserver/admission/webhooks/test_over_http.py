"""Webhooks as clients over HTTP meet them: what upstream's conformance tests of them ask (test/e2e/apimachinery/webhook.go), and custom
objects."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit.apiserver.extensions.definitions import define, definition, version, widget
from tests.unit.apiserver.serving import Caller, calling, calling_served
from tests.unit.apiserver.webhooks.servers import Certificate, Review, certificate, serving_webhook

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
Map = dict[str, Any]


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("localhost"), ["localhost", "webhook.shop.svc"])


def response(review: Review, **said: Any) -> Review:
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "response": {"uid": review["request"]["uid"], "allowed": True, **said},
    }


def patching(*operations: Map) -> Callable[[Review], Review]:
    patch = base64.b64encode(orjson.dumps(operations)).decode()
    return lambda review: response(review, patch=patch, patchType="JSONPatch")


def webhook(client: Map, rules: list[Map], **said: Any) -> Map:
    usual = {"name": "test.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1", "v1beta1"]}
    return {**usual, "clientConfig": client, "rules": rules, **said}


def rule(resources: str, group: str = "", version: str = "v1", operations: str = "*") -> Map:
    return {"operations": operations.split(), "apiGroups": [group], "apiVersions": [version], "resources": [resources]}


async def configure(call: Caller, kind: str, client: Map, rules: list[Map], **said: Any) -> None:
    body = {"metadata": {"name": "test"}, "webhooks": [webhook(client, rules, **said)]}
    made = await call("POST", f"{REGISTRATION}/{kind}webhookconfigurations", body)
    assert made.status == 201, made.body


@asynccontextmanager
async def hooked(call: Caller, localhost: Certificate, kind: str, answer: Any, *rules: Map, **said: Any) -> Any:
    async with serving_webhook(answer, localhost) as server:
        await configure(call, kind, {"url": server.url, "caBundle": server.bundle}, list(rules), **said)
        yield server


async def test_attaching_to_a_pod_can_be_denied(tmp_path: Path, localhost: Certificate) -> None:
    said = {"status": {"message": "attaching to pod 'a' is not allowed", "code": 403}}
    async with calling(tmp_path) as call:
        async with hooked(
            call, localhost, "validating", lambda review: response(review, allowed=False, **said), rule("pods/*", operations="CONNECT")
        ) as server:
            answer = await call("POST", "/api/v1/namespaces/default/pods/a/attach?container=c&stdin=true&stdout=true")
        assert answer.status == 403
        assert answer.json()["message"] == "admission webhook \"test.example.com\" denied the request: attaching to pod 'a' is not allowed"
    request = server.reviews[0]["request"]
    assert request["object"] == {"kind": "PodAttachOptions", "apiVersion": "v1", "stdin": True, "stdout": True, "container": "c"}
    assert (request["operation"], request["name"], request["subResource"], request["options"]) == ("CONNECT", "a", "attach", None)


async def test_a_connection_has_no_dry_run(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        answer = await call("POST", "/api/v1/namespaces/default/pods/a/exec?command=sh&dryRun=All")
    assert (answer.status, answer.json()["message"]) == (400, "dryRun is not supported")


async def test_a_fail_closed_webhook_without_its_service_refuses_everything(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        client = {"service": {"namespace": "default", "name": "webhook", "path": "/configmaps"}}
        await configure(call, "validating", client, [rule("configmaps")], failurePolicy="Fail")
        answer = await call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})
    url = "https://webhook.default.svc:443/configmaps?timeout=10s"
    said = f'failed calling webhook "test.example.com": failed to call webhook: Post "{url}": service "webhook" not found'
    assert (answer.status, answer.json()["reason"]) == (500, "InternalError")
    assert answer.json()["message"] == f"Internal error occurred: {said}"
    assert answer.json()["details"] == {"causes": [{"message": said}]}


async def test_a_program_of_the_tests_may_answer_for_a_service(tmp_path: Path, localhost: Certificate) -> None:
    async with calling_served(tmp_path) as (served, call), serving_webhook(response, localhost) as server:
        await call("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
        service = {"metadata": {"name": "webhook"}, "spec": {"ports": [{"port": 443, "targetPort": 8443}], "selector": {"app": "webhook"}}}
        assert (await call("POST", "/api/v1/namespaces/shop/services", service)).status == 201
        served.registry.store.local_services["shop", "webhook"] = ("127.0.0.1", server.port)
        client = {"service": {"namespace": "shop", "name": "webhook"}, "caBundle": server.bundle}
        await configure(call, "validating", client, [rule("configmaps")])
        assert (await call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})).status == 201
    assert len(server.reviews) == 1


async def test_warnings_are_headers_and_a_refusal_has_them_too(tmp_path: Path, localhost: Certificate) -> None:
    async with (
        calling(tmp_path) as call,
        hooked(call, localhost, "validating", lambda review: response(review, allowed=False, warnings=['mind "it"']), rule("configmaps")),
    ):
        answer = await call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})
    assert (answer.status, answer.headers["Warning"]) == (400, '299 - "mind \\"it\\""')


FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


async def test_a_custom_object_is_shown_in_the_version_that_the_rule_names(tmp_path: Path, localhost: Certificate) -> None:
    change = patching({"op": "add", "path": "/data/added", "value": "yes"})
    async with calling(tmp_path) as call:
        await define(call, definition(version("v1", FREE), version("v2", FREE, storage=False)))
        async with hooked(call, localhost, "mutating", change, rule("widgets", "example.com", "v2")) as server:
            path = "/apis/example.com/v1/namespaces/default/widgets"
            made = await call("POST", path, widget("w", data={"a": "1"}))
            patched = await call("PATCH", f"{path}/w", b'{"data":{"b":"2"}}', Content_Type="application/merge-patch+json")
    assert (made.status, made.json()["apiVersion"], made.json()["data"]) == (201, "example.com/v1", {"a": "1", "added": "yes"})
    assert patched.json()["data"] == {"a": "1", "added": "yes", "b": "2"}
    created, updated = (review["request"] for review in server.reviews)
    assert (created["object"]["apiVersion"], created["kind"]["version"], created["requestKind"]["version"]) == (
        "example.com/v2",
        "v2",
        "v1",
    )
    assert (updated["oldObject"]["apiVersion"], updated["resource"]["version"]) == ("example.com/v2", "v2")


async def test_definitions_can_be_denied(tmp_path: Path, localhost: Certificate) -> None:
    said = {"status": {"message": "the crd contains unwanted label"}}
    crds = rule("customresourcedefinitions", "apiextensions.k8s.io", operations="CREATE")
    deny = lambda review: response(review, allowed=False, **said)  # noqa: E731
    async with calling(tmp_path) as call, hooked(call, localhost, "validating", deny, crds):
        answer = await call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(version("v1", FREE)))
    assert (answer.status, answer.json()["message"].endswith("denied the request: the crd contains unwanted label")) == (400, True)


async def test_a_large_patch_makes_a_large_object_or_upstreams_refusal(tmp_path: Path, localhost: Certificate) -> None:
    change = patching({"op": "add", "path": "/data", "value": {"a": "x" * 10_000_000}})
    async with calling(tmp_path) as call, hooked(call, localhost, "mutating", change, rule("configmaps")):
        answer = await call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})
    assert answer.status == 422
    assert "must have at most 1048576 bytes" in answer.json()["message"] or "Too long" in answer.json()["message"]
