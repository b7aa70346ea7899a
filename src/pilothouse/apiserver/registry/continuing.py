"""Continue tokens of lists, in upstream's format: where the next page begins, and its revision."""

from __future__ import annotations

import base64
import json
import posixpath

from pilothouse.machinery.codec import parse
from pilothouse.machinery.errors import StatusError, bad_request

TOKEN_VERSION = "meta.k8s.io/v1"
ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def continue_token(revision: int, start: str) -> str:
    """Base64url of JSON without padding. A negative revision stands for the newest."""
    text = json.dumps({"v": TOKEN_VERSION, "rv": revision, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_token(token: str) -> tuple[str, int]:
    """(start, revision) of a continue token. Raises StatusError 400 for an invalid one."""
    try:
        parsed = parse(_decoded(token).decode(errors="replace").encode())
    except ValueError as error:
        raise _refused(f"continue key is not valid: {error}") from error
    parsed = {} if parsed is None else parsed
    if not isinstance(parsed, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(parsed), "number")
        raise _refused(f"continue key is not valid: json: cannot unmarshal {kind} into Go value of type storage.continueToken")
    version, revision, start = parsed.get("v") or "", parsed.get("rv") or 0, parsed.get("start") or ""
    if version != TOKEN_VERSION:
        raise _refused(f"continue key is not valid: server does not recognize this encoded version {version}")
    if not isinstance(revision, int) or not revision:
        raise _refused(f"continue key is not valid: incorrect encoded start resourceVersion (version {TOKEN_VERSION})")
    if not start:
        raise _refused(f"continue key is not valid: encoded start key empty (version {TOKEN_VERSION})")
    rooted = start if str(start).startswith("/") else f"/{start}"
    if posixpath.normpath(rooted) != rooted or rooted.startswith("//"):  # nobody may climb out of the resource's own keys
        raise _refused(f"continue key is not valid: {start}")
    return rooted[1:], revision


def _decoded(token: str) -> bytes:
    for index, character in enumerate(token):
        if character not in ALPHABET:
            raise ValueError(f"illegal base64 data at input byte {index}")
    if len(token) % 4 == 1:
        raise ValueError(f"illegal base64 data at input byte {len(token) - 1}")
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def _refused(text: str) -> StatusError:
    return bad_request(f"invalid continue token: {text}")
