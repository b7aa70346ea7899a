"""Validation of webhook responses (upstream: VerifyAdmissionResponse, ToStatusErr). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from pilothouse.apiserver.admission.webhooks.review import GROUP, KIND
from pilothouse.apiserver.webhooks.answers import decoded
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.machinery import codec, octets, strict
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import Status
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.struct import Object

JSON_PATCH = "JSONPatch"


class AdmissionResponse(Object):
    """The `response` of a review. `patch` is base64."""

    GO: ClassVar[dict[str, str]] = {"patch": "bytes"}
    uid: str = ""
    allowed: bool = False
    status: Status | None = None
    patch: str = ""
    patchType: str | None = None
    auditAnnotations: dict[str, str] = msgspec.field(default_factory=dict)
    warnings: list[str] = msgspec.field(default_factory=list)


class AdmissionReview(Object):
    """An AdmissionReview as the webhook returned it; its request is ignored."""

    kind: str = ""
    apiVersion: str = ""
    response: AdmissionResponse | None = None


class InvalidResponse(Exception):
    """An answer that is a review, and still none for this question. `str()` is upstream's text."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of a webhook. `status` is for a refusal; `patch` is JSON, b"" for none."""

    allowed: bool
    status: Status | None = None
    patch: bytes = b""
    patch_type: str = ""
    warnings: list[str] = field(default_factory=list)
    audit_annotations: dict[str, str] = field(default_factory=dict)


def verdict_of(body: bytes, uid: str, review_version: str, *, mutating: bool) -> Verdict:
    """The verdict in an answer; CallFailed when it is no review, InvalidResponse when it is none for this question."""
    review: AdmissionReview = decoded(body, AdmissionReview)
    _check_kind(review, review_version)
    response = review.response
    if response is None:
        raise InvalidResponse("webhook response was absent")
    patch = octets.decoded(response.patch)
    if patch is None:
        raise CallFailed(octets.parse_error(response.patch))
    if review_version == "v1":
        _check(review, response, uid, mutating=mutating)
    patch_type = (response.patchType or "") if review_version == "v1" else JSON_PATCH
    return Verdict(response.allowed, response.status, patch if mutating else b"", patch_type, response.warnings, response.auditAnnotations)


def _check_kind(review: AdmissionReview, review_version: str) -> None:
    """As the decoder of the API's types: another type is no answer. What is not said is taken for right, and looked at later."""
    kind, api_version = review.kind or KIND, review.apiVersion or f"{GROUP}/{review_version}"
    version = api_version.rpartition("/")[2]
    if (kind, api_version) not in DECODED:
        raise CallFailed(no_kind(kind, api_version))
    if (kind, version) != (KIND, review_version):
        raise CallFailed(f"converting ({version}.{kind}) to ({review_version}.{KIND}): unknown conversion")


DECODED = ((KIND, f"{GROUP}/v1"), (KIND, f"{GROUP}/v1beta1"), ("Status", "v1"))
"""Types that an answer may be of, to upstream's decoder."""
SCHEME = "pkg/runtime/scheme.go:111"
"""What upstream calls a set of types."""


def no_kind(kind: str, api_version: str) -> str:
    """Upstream's decoding error for an unknown type."""
    return f"no kind {go_quoted(kind)} is registered for version {go_quoted(api_version)} in scheme {go_quoted(SCHEME)}"


def _check(review: AdmissionReview, response: AdmissionResponse, uid: str, *, mutating: bool) -> None:
    if response.uid != uid:
        raise InvalidResponse(f"expected response.uid={go_quoted(uid)}, got {go_quoted(response.uid)}")
    if not review.kind or not review.apiVersion:
        said = f"{review.apiVersion or '/'}, Kind={review.kind}"
        raise InvalidResponse(f"expected webhook response of {GROUP}/v1, Kind={KIND}, got {said}")
    if not mutating:
        if response.patch:
            raise InvalidResponse("validating webhook may not return response.patch")
        if response.patchType is not None:
            raise InvalidResponse("validating webhook may not return response.patchType")
    elif response.patch and response.patchType is None:
        raise InvalidResponse("webhook returned response.patch but not response.patchType")
    elif response.patchType is not None and not response.patch:
        raise InvalidResponse("webhook returned response.patchType but not response.patch")
    elif response.patchType == "":
        raise InvalidResponse('webhook returned invalid response.patchType of ""')


def refusal(name: str, status: Status | None) -> StatusError:
    """The answer to a request that a webhook has refused: the webhook's own Status, which is a failure whatever it says."""
    said = Status() if status is None else status
    denied = f"admission webhook {go_quoted(name)} denied the request"
    cause = said.message or said.reason
    said.code = max(said.code, 400)
    said.status = "Failure" if said.status in ("", "Success") else said.status
    said.message = f"{denied}: {cause}" if cause else f"{denied} without explanation"
    return StatusError(said)


def operations_of(patch: bytes) -> list[dict[str, Any]]:
    """Operations of a JSON Patch. Raises ValueError with Go's message."""
    parsed = codec.parse(patch, "application/json")
    if parsed is None:
        return []
    if not isinstance(parsed, list):
        raise ValueError(f"json: cannot unmarshal {strict.described(parsed)} into Go value of type jsonpatch.Patch")
    for operation in parsed:
        if operation is not None and not isinstance(operation, dict):
            raise ValueError(f"json: cannot unmarshal {strict.described(operation)} into Go value of type jsonpatch.Operation")
    return [operation or {} for operation in parsed]
