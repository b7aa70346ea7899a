"""HTTP responses of webhooks, with client-go's errors (k8s.io/client-go/rest, Request.transformResponse). Pure."""

from __future__ import annotations

from email.message import Message
from typing import Any

import msgspec

from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.machinery import codec, strict
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import Status, StatusCause, StatusDetails
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.shape import shape_of

SHOWN_BYTES = 2048
"""Of an answer that is an error."""
JSON = "application/json"
NO_KIND = "couldn't get version/kind; json parse error: "
META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
MESSAGES = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    409: ("AlreadyExists", "the server reported a conflict"),
    422: ("Invalid", "the server rejected our request due to an error in our request"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted, but may still be processing the request"),
}
OWN_WORDS = {403: "Forbidden", 406: "NotAcceptable", 415: "UnsupportedMediaType"}
"""Codes of which the server's message is kept."""


def body_of(code: int, content_type: str, body: bytes) -> bytes:
    """The body of a successful answer, whatever type it says it is of; CallFailed for any other."""
    if not 200 <= code <= 206:
        is_text = not content_type or _media_type(content_type).startswith("text/")
        error = _status_in(body) or StatusError(_generic(code, body, is_text=is_text))
        raise CallFailed(error.status.message, error)
    if not body:
        raise CallFailed(f"0-length response with status code: {code} and content type: {content_type or JSON}")
    return body


def _media_type(content_type: str) -> str:
    parsed = Message()
    parsed["Content-Type"] = content_type
    return parsed.get_content_type()


def _status_in(body: bytes) -> StatusError | None:
    """The Status of kind and version that the body is, when it tells of a failure."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    is_failure = status.kind == "Status" and status.apiVersion == "v1" and status.status == "Failure"
    return StatusError(status) if is_failure else None


def _generic(code: int, body: bytes, *, is_text: bool) -> Status:
    said = body[:SHOWN_BYTES].decode(errors="replace").strip() if is_text else "unknown"
    reason, message = "", f"the server responded with the status code {code} but did not return more information"
    if code in MESSAGES:
        reason, message = MESSAGES[code]
    elif code in OWN_WORDS:
        reason, message = OWN_WORDS[code], said
        if code == 406 and said in ("", "unknown"):
            message = "the server was unable to respond with a content type that the client supports"
    elif code >= 500:
        reason, message = "InternalError", f"an error on the server ({go_quoted(said)}) has prevented the request from succeeding"
    details = StatusDetails(causes=[StatusCause(reason="UnexpectedServerResponse", message=said)])
    return Status(status="Failure", code=code, reason=reason, message=message, details=details)


def decoded(body: bytes, kind: type[Any]) -> Any:
    """Decode a review from JSON (or YAML, as upstream). Raises CallFailed with the words of Go's json package."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decoded_slowly(body, kind)


def _decoded_slowly(body: bytes, kind: type[Any]) -> Any:
    """What the fast decoder refuses: nulls and such, which Go takes, or a complaint."""
    try:
        parsed = codec.parse(body, JSON if body.lstrip()[:1] == b"{" else codec.YAML)
    except ValueError as error:
        raise CallFailed(f"{NO_KIND}{error}") from error
    if parsed is None:
        return kind()
    if not isinstance(parsed, dict):
        raise CallFailed(f"{NO_KIND}json: cannot unmarshal {strict.described(parsed)} into Go value of type {META}")
    shape = shape_of(kind)
    if wrong := strict.type_error(parsed, shape):
        raise CallFailed(wrong)
    return msgspec.convert(strict.without_nulls(parsed, shape), kind, strict=False)
