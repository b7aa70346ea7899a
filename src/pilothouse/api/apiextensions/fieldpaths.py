"""Paths to a field of a schema: `.spec.replicas`, `.spec['a.b']`; those of rules and of selectable fields.

Upstream: ValidFieldPath of apiextensions-apiserver pkg/apiserver/schema/cel/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]]+", re.DOTALL)
ESCAPE = re.compile(r"\\.", re.DOTALL)
ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}
NO_FIELD = "does not refer to a valid field"
UNEXPECTED_END = "unexpected end of JSON path"


class WrongPath(Exception):
    """Why a path is none, in upstream's words."""


def resolve(path: str, schema: Schema, *, brackets: bool = True) -> tuple[list[str], Schema]:
    """The steps of a path, written as field errors write them, and the schema it leads to. WrongPath where it leads nowhere."""
    steps: list[str] = []
    tokens = _tokens(path)
    for token in tokens:
        if token == "[":
            if not brackets:
                raise WrongPath("array notation is not allowed")
            step, schema = _step(_quoted(_next(tokens)), schema)
            if (closing := _next(tokens)) != "]":
                raise WrongPath(f"expected ] but got {closing}")
        elif token == ".":
            step, schema = _step(_next(tokens), schema)
        else:
            raise WrongPath(f"expected [ or . but got: {token}")
        steps.append(step)
    return steps, schema


def _tokens(path: str) -> Iterator[str]:
    at = 0
    while at < len(path):
        match = TOKEN.match(path, at)
        if match is None or (match[0][0] == "'" and not match[0].endswith("'")):
            yield path[at:]
            return
        at = match.end()
        yield match[0]


def _next(tokens: Iterator[str]) -> str:
    token = next(tokens, None)
    if token is None:
        raise WrongPath(UNEXPECTED_END)
    return token


def _quoted(token: str) -> str:
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise WrongPath(f"expected single quoted string but got {token}")

    def escaped(match: re.Match[str]) -> str:
        if match[0][1] not in ESCAPED:
            raise WrongPath(f"invalid string literal: invalid escape char {match[0]}")
        return ESCAPED[match[0][1]]

    return ESCAPE.sub(escaped, token[1:-1])


def _step(name: str, schema: Schema) -> tuple[str, Schema]:
    fields, additional = schema.get("properties"), schema.get("additionalProperties")
    if fields:
        if name not in fields:
            raise WrongPath(NO_FIELD)
        return name, fields[name]
    if additional is None:
        raise WrongPath(NO_FIELD)
    return f"[{name}]", additional if isinstance(additional, dict) else {}
