"""Configuration files of components (`EncryptionConfiguration`, an audit `Policy`): bytes to a struct, strictly, in upstream's words.

A struct of such a file has a `GVK`; JSON and YAML are read alike. What cannot be read raises BadConfiguration, which names no file: the
reader of the file does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.problems import Problem
from pilothouse.machinery.quoting import go_quoted

T = TypeVar("T")

WRAPPED = re.compile(
    r'\w+ in version "[^"]*" cannot be handled as a \w+: (?P<reason>.*)'
    r"|the object provided is unrecognized \(must be of type \w+\): (?P<unread>.*) \([0-9a-f.]*\)",
    re.DOTALL,
)
"""What stands around the reason where a request's body is refused."""
NO_FIELDS = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
SCHEME = '"pkg/runtime/scheme.go:111"'
"""Which of Go's schemes it was: upstream says where it was made."""
OWN_TYPES = re.compile(r"\bpilothouse\.[\w.]+\.(\w+)")
"""Structs that only a component's file has: their package in Go is called after their version."""
GO_TYPES = {str: "string", int: "number", float: "number", bool: "bool", list: "array"}


class BadConfiguration(ValueError):
    """The configuration cannot be used; the text says why."""


def decode(data: bytes, kind: type[T], *, strictness: str = "Strict") -> T:
    """The struct that a file holds. BadConfiguration for what is none of this kind, and for unknown or repeated fields when strict."""
    content_type = codec.JSON if data.lstrip()[:1] == b"{" else codec.YAML
    check_kind(data, kind, content_type)
    try:
        decoded: T = codec.decode_as(data, kind, strictness=strictness, content_type=content_type).object
        return decoded
    except StatusError as error:
        raise BadConfiguration(reason_of(str(error))) from error


def check_kind(data: bytes, kind: type[Any], content_type: str) -> None:
    """BadConfiguration unless the file says that it is of this kind."""
    try:
        parsed = codec.parse(data, content_type)
    except ValueError as error:
        raise BadConfiguration(str(error).removeprefix(codec.YAML_ERROR)) from error
    if parsed is not None and not isinstance(parsed, dict):
        text = f"json: cannot unmarshal {GO_TYPES.get(type(parsed), 'null')} into Go value of type {NO_FIELDS}"
        raise BadConfiguration(f"couldn't get version/kind; json parse error: {text}")
    said = parsed or {}
    name, version = said.get("kind") or "", said.get("apiVersion") or ""
    if not name or not isinstance(name, str) or not isinstance(version, str):
        raise BadConfiguration(f"Object 'Kind' is missing in '{data.decode(errors='replace')}'")
    if not version:
        raise BadConfiguration(f"Object 'apiVersion' is missing in '{codec.encode(said).decode()}'")
    group, wanted, kind_name = kind.GVK
    if (name, version) != (kind_name, f"{group}/{wanted}"):
        raise BadConfiguration(f"no kind {go_quoted(name)} is registered for version {go_quoted(version)} in scheme {SCHEME}")


def reason_of(message: str) -> str:
    """The reason alone of a refused body."""
    match = WRAPPED.fullmatch(message)
    reason = message if match is None else match["reason"] or match["unread"]
    return OWN_TYPES.sub(r"v1.\1", reason)


def joined(problems: Sequence[Problem | str]) -> str:
    """Several errors as Go's aggregate prints them: one plainly, more in brackets, each once."""
    unique = list(dict.fromkeys(map(str, problems)))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"


def is_without_kind(data: bytes) -> bool:
    """Whether a document names neither kind nor version. ValueError where it is no document."""
    parsed = codec.parse(data, codec.JSON if data.lstrip()[:1] == b"{" else codec.YAML)
    return parsed is None or (isinstance(parsed, dict) and not parsed.get("kind") and not parsed.get("apiVersion"))
