"""The AdmissionReview that a webhook is sent (upstream: webhook/request/admissionreview.go). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pilothouse.apiserver.admission.attributes import request_json
from pilothouse.apiserver.admission.matching.versions import Version
from pilothouse.apiserver.admission.plugin import AdmissionRequest

GROUP = "admission.k8s.io"
KIND = "AdmissionReview"
KNOWN_VERSIONS = ("v1", "v1beta1")
NULL = msgspec.Raw(b"null")


def version_of(accepted: Iterable[str]) -> str:
    """First accepted version of AdmissionReview that the server supports; "" for none."""
    return next((version for version in accepted if version in KNOWN_VERSIONS), "")


def review_of(uid: str, review_version: str, request: AdmissionRequest, version: Version, obj: bytes | None, old: bytes | None) -> bytes:
    """JSON of the review. `obj` and `old` are the request's objects as JSON in `version`."""
    said = request_json(request, version)
    dry_run, options = said.pop("dryRun"), said.pop("options")
    asked = {"uid": uid, **said, "object": _raw(obj), "oldObject": _raw(old), "dryRun": dry_run, "options": options}
    return msgspec.json.encode({"kind": KIND, "apiVersion": f"{GROUP}/{review_version}", "request": asked})


def _raw(value: bytes | None) -> Any:
    return NULL if value is None else msgspec.Raw(value)
