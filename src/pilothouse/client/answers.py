"""Decoding of responses into objects of the kind that they name, as a delete may answer with a Status."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from pilothouse.api import catalogue
from pilothouse.client.call import ListResult, WatchEvent
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError, failure
from pilothouse.machinery.meta_v1 import ListMeta, Status
from pilothouse.machinery.resource import Resource

T = TypeVar("T")


class _Kind(msgspec.Struct):
    apiVersion: str = ""
    kind: str = ""


class _List(msgspec.Struct, Generic[T]):
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)
    items: Sequence[T] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_kinds = msgspec.json.Decoder(_Kind)
_events = msgspec.json.Decoder(_Event)


@cache
def _lists(kind: type[Any]) -> msgspec.json.Decoder[_List[Any]]:
    return msgspec.json.Decoder(_List[kind])  # type: ignore[valid-type]


def type_of(api_version: str, kind: str) -> type[Any] | None:
    """Struct of a kind, also of kinds that are no resources, as Scale and TokenRequest."""
    group, _, version = api_version.rpartition("/")
    resource = catalogue.known().by_kind(group, version, kind)
    if resource is not None:
        object_type: type[Any] = resource.type
        return object_type
    if kind == "Status":
        return Status
    try:
        module = importlib.import_module(f"pilothouse.api.types.{group.partition('.')[0] or 'core'}_{version}")
    except ImportError:
        return None
    return getattr(module, kind, None)


def decode_object(data: bytes, resource: Resource[T]) -> Any:
    """The object of an answer."""
    named = _kinds.decode(data)
    kind = type_of(named.apiVersion, named.kind) or resource.type
    return _decode(data, kind)


def decode_list(data: bytes, resource: Resource[T]) -> ListResult[T]:
    """A page of a list; a Status (of deletecollection) is a list of nothing."""
    try:
        kind: type[Any] = resource.type
        page = _lists(kind).decode(data)  # type: ignore[arg-type]
    except msgspec.ValidationError:  # a null that the struct does not expect
        raw = msgspec.json.decode(data)
        items = [codec.from_dict(item, resource.type) for item in raw.get("items") or ()]
        page = _List(msgspec.convert(raw.get("metadata") or {}, ListMeta), items)
    meta = page.metadata
    return ListResult([*(page.items or ())], meta.resourceVersion, meta.continue_, meta.remainingItemCount)


def decode_event(line: bytes, resource: Resource[T]) -> WatchEvent[T]:
    """A line of a watch as an event; raises for an ERROR."""
    event = _events.decode(line)
    if event.type == "ERROR":
        raise StatusError(_decode(bytes(event.object), Status))
    return WatchEvent(event.type, _decode(event.object, resource.type))


def error_of(code: int, data: bytes) -> StatusError:
    """Error of a response with status 400 or more, also when it is no Status, as from a proxy."""
    try:
        status = codec.decoder_of(Status).decode(data)
        if status.kind == "Status" and status.status == "Failure":
            return StatusError(status)
    except msgspec.MsgspecError:
        pass
    reasons = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Gone", 429: "TooManyRequests"}
    return failure(code, reasons.get(code, "InternalError" if code >= 500 else "BadRequest"), data.decode(errors="replace").strip()[:2048])


def _decode(data: Any, kind: type[Any]) -> Any:
    try:
        return codec.decoder_of(kind).decode(data)
    except msgspec.ValidationError:
        return codec.from_dict(msgspec.json.decode(data), kind)
