"""OpenAPI version 2 as bytes, put together of parts that are encoded once: a new kind costs its own part.

Custom kinds keep their parts compressed: they are twenty kilobytes of words that repeat, and few clients ask for this version.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.apiserver.openapi import protobuf, v2
from pilothouse.apiserver.openapi.definitions import is_custom
from pilothouse.apiserver.openapi.merging import Spec, renamed
from pilothouse.machinery.resource import Resource, per_resource

Members = dict[str, bytes]
FASTEST = 1
MEMBERS = msgspec.msgpack.Decoder(tuple[Members, Members])


@dataclass(frozen=True, slots=True)
class Form:
    """Format of a document: encoders for a path, a definition, and the whole.

    `read` is the schema that a definition was written from; None where the form is not read again.
    """

    path: Callable[[str, Any], bytes]
    definition: Callable[[str, Any], bytes]
    join: Callable[[str, Iterable[bytes], Iterable[bytes], dict[str, Any]], bytes]
    read: Callable[[bytes], Any] | None = None


def _json_member(name: str, value: Any) -> bytes:
    return msgspec.json.encode(name) + b":" + msgspec.json.encode(value)


def _json_schema(member: bytes) -> Any:
    (schema,) = msgspec.json.decode(b"{%b}" % member).values()
    return schema


def _json_document(level: str, paths: Iterable[bytes], definitions: Iterable[bytes], parameters: dict[str, Any]) -> bytes:
    head = msgspec.json.encode(v2.head(level))[:-1]
    last = b',"parameters":%b' % msgspec.json.encode(parameters) if parameters else b""
    return b'%b,"paths":{%b},"definitions":{%b}%b}' % (head, b",".join(paths), b",".join(definitions), last)


JSON = Form(_json_member, _json_member, _json_document, _json_schema)


def _protobuf_document(level: str, paths: Iterable[bytes], definitions: Iterable[bytes], parameters: dict[str, Any]) -> bytes:
    return protobuf.document_of(v2.head(level), paths, definitions)


PROTOBUF = Form(protobuf.path, protobuf.definition, _protobuf_document)


class Assembled:
    """The document in one form. Makes nothing twice; not to be used by two threads at once."""

    def __init__(self, form: Form, level: str) -> None:
        self._form = form
        self._level = level
        self._built_in: tuple[Members, Members] | None = None
        self._of: tuple[Resource[Any], ...] = ()

    def body(self, resources: Sequence[Resource[Any]], remote: Sequence[Spec] = ()) -> bytes:
        """The document of these resources, and of what extension API servers have (merging.py)."""
        built_in = tuple(resource for resource in resources if not is_custom(resource))
        if self._built_in is None or self._of != built_in:
            paths, definitions = v2.built_in(built_in, self._level)
            self._built_in = _encoded(self._form.path, paths), _encoded(self._form.definition, definitions)
            self._of = built_in
        all_paths, all_definitions = dict(self._built_in[0]), dict(self._built_in[1])
        for resource in resources:
            if is_custom(resource):
                paths, definitions = _custom_members(resource, self._form, self._level)
                _add(all_paths, paths)
                _add(all_definitions, definitions)
        parameters: dict[str, Any] = {}
        for spec in remote:
            self._merge(spec, all_paths, all_definitions)
            parameters = spec.parameters | parameters
        return self._form.join(self._level, _in_order(all_paths), _in_order(all_definitions), parameters)

    def _merge(self, spec: Spec, paths: Members, definitions: Members) -> None:
        if self._form.read is not None:
            taken = {name: self._form.read(member) for name, member in definitions.items() if _is_like_one(name, spec)}
            spec = renamed(spec, taken)
        _add(paths, _writable(self._form.path, spec.paths))
        _add(definitions, _writable(self._form.definition, spec.definitions))


def _add(members: Members, more: Members) -> None:
    """As upstream: what is there already, as built-in parts are, goes before."""
    for name, member in more.items():
        members.setdefault(name, member)


def _custom_members(resource: Resource[Any], form: Form, level: str) -> tuple[Members, Members]:
    members: tuple[Members, Members] = MEMBERS.decode(zlib.decompress(_custom(resource, form, level)))
    return members


def _in_order(members: Members) -> Iterable[bytes]:
    return (members[name] for name in sorted(members))


def _encoded(encode: Callable[[str, Any], bytes], parts: dict[str, Any]) -> Members:
    return {name: encode(name, value) for name, value in parts.items()}


def _is_like_one(name: str, spec: Spec) -> bool:
    """Whether a name is that of a definition, or what such a one may have been renamed to."""
    return name in spec.definitions or name.rpartition("_v")[0] in spec.definitions


def _writable(encode: Callable[[str, Any], bytes], parts: dict[str, Any]) -> Members:
    """What can be written of parts that another server has made: in protobuf not everything."""
    members: Members = {}
    for name, value in parts.items():
        with suppress(KeyError, TypeError, ValueError, AttributeError, RecursionError):
            members[name] = encode(name, value)
    return members


@per_resource
def _custom(resource: Resource[Any], form: Form, level: str) -> bytes:
    paths, definitions = v2.custom(resource, level)
    return zlib.compress(msgspec.msgpack.encode((_encoded(form.path, paths), _encoded(form.definition, definitions))), FASTEST)
