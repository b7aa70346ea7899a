"""What webhooks answer: upstream's words for what is no answer, and what a refusal becomes."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from pilothouse.apiserver.admission.webhooks import response
from pilothouse.apiserver.admission.webhooks.response import InvalidResponse, Verdict
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.machinery.meta_v1 import Status

SCHEME = '"pkg/runtime/scheme.go:111"'
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
PATCH = base64.b64encode(b'[{"op":"add","path":"/a","value":1}]').decode()


def review(version: str = "v1", **said: Any) -> bytes:
    answer = {"uid": UID, "allowed": True, **said}
    return orjson.dumps({"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "response": answer})


def judged(body: bytes, version: str = "v1", *, mutating: bool = True) -> Verdict:
    return response.verdict_of(body, UID, version, mutating=mutating)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(review(), Verdict(True), id="allowed"),
        pytest.param(review(allowed=False), Verdict(False), id="refused"),
        pytest.param(review(unknown={"a": 1}), Verdict(True), id="unknown fields are overlooked"),
        pytest.param(review(status=None, warnings=None, patch=None, patchType=None, auditAnnotations=None), Verdict(True), id="nulls"),
        pytest.param(
            review(patch=PATCH, patchType="JSONPatch"),
            Verdict(True, None, b'[{"op":"add","path":"/a","value":1}]', "JSONPatch"),
            id="a patch",
        ),
        pytest.param(review(patch=PATCH, patchType="Other"), Verdict(True, None, base64.b64decode(PATCH), "Other"), id="another type"),
        pytest.param(review(warnings=["a"], auditAnnotations={"b": "c"}), Verdict(True, None, b"", "", ["a"], {"b": "c"}), id="notes"),
        pytest.param(review(allowed=False, status={"code": 402}), Verdict(False, Status(code=402)), id="with a status"),
    ],
)
def test_an_answer_is_a_verdict(body: bytes, expected: Verdict) -> None:
    assert judged(body) == expected


@pytest.mark.parametrize(
    ("body", "mutating", "complaint"),
    [
        pytest.param(review(uid="other"), True, f'expected response.uid="{UID}", got "other"', id="another uid"),
        pytest.param(b"{}", True, "webhook response was absent", id="no response"),
        pytest.param(b'{"response":null}', True, "webhook response was absent", id="response null"),
        pytest.param(
            orjson.dumps({"response": {"uid": UID}}),
            True,
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=",
            id="no kind",
        ),
        pytest.param(b"null", True, "webhook response was absent", id="null"),
        pytest.param(
            orjson.dumps({"kind": "AdmissionReview", "response": {"uid": UID}}),
            True,
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=AdmissionReview",
            id="no apiVersion",
        ),
        pytest.param(
            orjson.dumps({"apiVersion": "admission.k8s.io/v1", "response": {"uid": UID}}),
            True,
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1, Kind=",
            id="apiVersion without kind",
        ),
        pytest.param(review(patch=PATCH), True, "webhook returned response.patch but not response.patchType", id="no patchType"),
        pytest.param(review(patchType="JSONPatch"), True, "webhook returned response.patchType but not response.patch", id="no patch"),
        pytest.param(review(patch=PATCH, patchType=""), True, 'webhook returned invalid response.patchType of ""', id="empty patchType"),
        pytest.param(review(patch=PATCH), False, "validating webhook may not return response.patch", id="validating with patch"),
        pytest.param(review(patchType=""), False, "validating webhook may not return response.patchType", id="validating with patchType"),
    ],
)
def test_an_answer_may_be_none_for_the_question(body: bytes, mutating: bool, complaint: str) -> None:
    with pytest.raises(InvalidResponse) as raised:
        judged(body, mutating=mutating)
    assert str(raised.value) == complaint


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        pytest.param(
            b"<html>",
            "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type "
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
            id="HTML",
        ),
        pytest.param(
            b"nonsense",
            "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type "
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
            id="text",
        ),
        pytest.param(
            b'{"kind":"Pod","apiVersion":"v1"}',
            'no kind "Pod" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"',
            id="a Pod",
        ),
        pytest.param(
            b'{"kind":"Status","apiVersion":"v1"}', "converting (v1.Status) to (v1.AdmissionReview): unknown conversion", id="a Status"
        ),
        pytest.param(
            review("v2"),
            'no kind "AdmissionReview" is registered for version "admission.k8s.io/v2" in scheme "pkg/runtime/scheme.go:111"',
            id="v2",
        ),
        pytest.param(b'{"kind":', "couldn't get version/kind; json parse error: unexpected end of JSON input", id="cut off"),
        pytest.param(
            b"[]",
            "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type "
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
            id="a list",
        ),
        pytest.param(
            review(allowed="yes"),
            "json: cannot unmarshal string into Go struct field AdmissionResponse.response.allowed of type bool",
            id="type",
        ),
        pytest.param(review(patch="%%%", patchType="JSONPatch"), "illegal base64 data at input byte 0", id="base64"),
        pytest.param(
            review("v1beta1"), "converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion", id="another version"
        ),
    ],
)
def test_an_answer_may_be_no_review(body: bytes, complaint: str) -> None:
    with pytest.raises(CallFailed) as raised:
        judged(body)
    assert str(raised.value) == complaint


def test_of_v1beta1_neither_uid_nor_patch_type_is_asked() -> None:
    verdict = judged(review("v1beta1", uid="other", patch=PATCH), "v1beta1")
    assert (verdict.allowed, verdict.patch_type) == (True, "JSONPatch")
    assert judged(orjson.dumps({"response": {"allowed": True}}), "v1beta1").allowed
    assert judged(review("v1beta1", patch=PATCH, patchType="Other"), "v1beta1", mutating=False).patch == b""


DENIED = 'admission webhook "a.example.com" denied the request'


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(None, (400, "", f"{DENIED} without explanation"), id="nothing said"),
        pytest.param(Status(), (400, "", f"{DENIED} without explanation"), id="an empty status"),
        pytest.param(Status(message="no"), (400, "", f"{DENIED}: no"), id="message"),
        pytest.param(Status(reason="Forbidden"), (400, "Forbidden", f"{DENIED}: Forbidden"), id="reason"),
        pytest.param(Status(message="no", reason="Forbidden", code=403), (403, "Forbidden", f"{DENIED}: no"), id="all"),
        pytest.param(Status(status="Success", code=200), (400, "", f"{DENIED} without explanation"), id="a success"),
        pytest.param(Status(code=402, message="pay"), (402, "", f"{DENIED}: pay"), id="another code"),
        pytest.param(Status(code=999, message="odd"), (999, "", f"{DENIED}: odd"), id="an odd code"),
    ],
)
def test_a_refusal_is_the_webhooks_status(status: Status | None, expected: tuple[int, str, str]) -> None:
    error = response.refusal("a.example.com", status)
    assert (error.status.code, error.status.reason, error.status.message) == expected
    assert error.status.status == "Failure"


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        pytest.param(b"null", [], id="null"),
        pytest.param(b"[]", [], id="empty"),
        pytest.param(b'[{"op":"remove","path":"/a"}]', [{"op": "remove", "path": "/a"}], id="operations"),
        pytest.param(b"{}", "json: cannot unmarshal object into Go value of type jsonpatch.Patch", id="an object"),
        pytest.param(b'["a"]', "json: cannot unmarshal string into Go value of type jsonpatch.Operation", id="a text"),
        pytest.param(b"[", "unexpected end of JSON input", id="cut off"),
    ],
)
def test_a_patch_is_a_list_of_operations(patch: bytes, expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(ValueError, match="^" + expected.replace(".", r"\.") + "$"):
            response.operations_of(patch)
    else:
        assert response.operations_of(patch) == expected
