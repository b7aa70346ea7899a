"""Configuration files, read strictly: unknown and repeated fields, other kinds and other versions are refused in upstream's words."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from pilothouse.apiserver.auth.configuration.apiserver_v1 import GROUP, AuthenticationConfiguration, AuthorizationConfiguration
from pilothouse.machinery import codec, strict
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.shape import shape_of

T = TypeVar("T", AuthenticationConfiguration, AuthorizationConfiguration)

VERSIONS = ("v1", "v1beta1", "v1alpha1")
KINDS = ("AuthenticationConfiguration", "AuthorizationConfiguration")
SCHEME = "pkg/runtime/scheme.go:111"
"""Upstream's messages name the place where the table of its kinds is made."""


def load(data: bytes, kind: type[T]) -> T:
    """The object in a file, YAML or JSON; ValueError in upstream's words for a file that is no such object."""
    repeated: list[str] = []
    parsed = codec.document(data, codec.YAML, repeated) or {}
    version = _check_kind(parsed, kind.__name__, data)
    shape = shape_of(kind)
    if text := strict.type_error(parsed, shape):
        raise ValueError(re.sub(r"\bv1\.", f"{version}.", text))
    unknown = sorted(strict.unknown_fields(parsed, shape))
    problems = [f"unknown field {go_quoted(path)}" for path in unknown]
    if repeated:
        from pilothouse.machinery import yaml

        problems.insert(0, yaml.unmarshal_errors(repeated))
    if problems:
        raise ValueError(f"strict decoding error: {', '.join(problems)}")
    try:
        return codec.convert(strict.without_nulls(parsed, shape), kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _check_kind(parsed: dict[str, Any], wanted: str, data: bytes) -> str:
    """The version that the file is of."""
    kind, api_version = parsed.get("kind") or "", parsed.get("apiVersion") or ""
    if not kind:
        raise ValueError(f"Object 'Kind' is missing in '{data.decode(errors='replace')}'")
    if not api_version:
        raise ValueError(f"Object 'apiVersion' is missing in '{data.decode(errors='replace')}'")
    group, _, version = api_version.rpartition("/")
    if group != GROUP or version not in VERSIONS or kind not in KINDS:
        raise ValueError(f"no kind {go_quoted(kind)} is registered for version {go_quoted(api_version)} in scheme {go_quoted(SCHEME)}")
    if kind != wanted:
        raise ValueError(f"expected {wanted}, got *apiserver.{kind}")
    return str(version)
