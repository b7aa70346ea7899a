"""The claims of a JWT: read without belief, and each of the type that is asked for, with the complaints of Go's JSON decoder. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from pilothouse.machinery import strict
from pilothouse.machinery.quoting import go_quoted

GOOGLE, GOOGLE_WITHOUT_SCHEME = "https://accounts.google.com", "accounts.google.com"
FAILED = "oidc: failed to unmarshal claims: "
Claims = Mapping[str, Any]


def decoded(part: str) -> bytes:
    """What unpadded base64url stands for; ValueError for what is none."""
    if len(part) % 4 == 1 or "=" in part:
        raise ValueError("illegal base64 data")
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("illegal base64 data") from error


def json_object(part: str) -> dict[str, Any] | None:
    """The JSON object in a part of a JWT, or None."""
    try:
        value = orjson.loads(decoded(part))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def untrusted_issuer(token: str) -> str | None:
    """Who a token says has issued it, which nobody has verified; None for what is no JWT."""
    parts = token.split(".")
    if token.lstrip().startswith("{") or len(parts) != 3:
        return None
    claims = json_object(parts[1])
    issuer = None if claims is None else claims.get("iss", "")
    if not isinstance(issuer, str):
        return None
    return GOOGLE if issuer == GOOGLE_WITHOUT_SCHEME else issuer


def text(claims: Claims, name: str) -> str:
    """A claim that must be a text. ValueError where it is missing or of another type."""
    if name not in claims:
        raise ValueError("claim not present")
    value = claims[name]
    if value is not None and not isinstance(value, str):
        raise _mismatch(value, "string")
    return value or ""


def boolean(claims: Claims, name: str) -> bool:
    """A claim that must be true or false."""
    if name not in claims:
        raise ValueError("claim not present")
    value = claims[name]
    if value is not None and not isinstance(value, bool):
        raise _mismatch(value, "bool")
    return bool(value)


def texts(claims: Claims, name: str) -> list[str]:
    """A claim that must be a text or a list of texts."""
    value = claims.get(name)
    if isinstance(value, list) and all(item is None or isinstance(item, str) for item in value):
        return [item or "" for item in value]
    return [] if value is None else [text(claims, name)]


def check_types(claims: Claims) -> None:
    """Check the claims that every token may have. ValueError for one of another type than OpenID Connect gives it."""
    for name in ("iss", "sub", "nonce", "at_hash"):
        _check_type(claims, name, str, "string")
    audiences = claims.get("aud")
    if isinstance(audiences, list):
        for audience in audiences:
            _check_type({"aud": audience}, "aud", str, "string")
    elif not isinstance(audiences, str):
        _check_type(claims, "aud", list, "[]string")
    for name in ("exp", "iat", "nbf"):
        value = claims.get(name)
        if isinstance(value, str):
            raise ValueError(f"{FAILED}json: invalid number literal, trying to unmarshal {go_quoted(go_quoted(value))} into Number")
        _check_type(claims, name, (int, float), "json.Number")
    _check_type(claims, "_claim_names", dict, "map[string]string")
    _check_type(claims, "_claim_sources", dict, "map[string]oidc.claimSource")


def _check_type(claims: Claims, name: str, wanted: type | tuple[type, ...], shown: str) -> None:
    value = claims.get(name)
    if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
        raise ValueError(f"{FAILED}json: cannot unmarshal {strict.described(value)} into Go struct field idToken.{name} of type {shown}")


def _mismatch(value: Any, wanted: str) -> ValueError:
    return ValueError(f"json: cannot unmarshal {strict.described(value)} into Go value of type {wanted}")
