"""The events of a watch as lines of JSON or as frames of protobuf, in the form that the client accepts.

What is plain the cache has made already. Tables and partial metadata are made for each watcher; the columns of a
Table are told with the first event only, as upstream does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.api.protobuf import envelope
from pilothouse.apiserver.cache.event import CacheEvent
from pilothouse.apiserver.http.encoding import encode_json, table_of
from pilothouse.apiserver.http.negotiation import PROTOBUF, STREAMED, YAML, Form, not_acceptable
from pilothouse.apiserver.http.request import Request
from pilothouse.machinery import table
from pilothouse.machinery.meta_v1 import ListMeta
from pilothouse.machinery.resource import Resource

Encode = Callable[[list[CacheEvent]], list[bytes]]


def encoder(request: Request, resource: Resource[Any], form: Form) -> Encode:
    """Encoder of event batches as lines or frames. Raises a 406 for YAML, which has no streaming form."""
    if form.media_type == YAML:
        raise not_acceptable(STREAMED)
    if resource.from_stored is not None:
        form_encode = _of_form(request, resource, form)
        return lambda batch: form_encode([event.in_version(resource) for event in batch])
    return _of_form(request, resource, form)


def _of_form(request: Request, resource: Resource[Any], form: Form) -> Encode:
    if not form.as_:
        return plain_protobuf if form.media_type == PROTOBUF else plain
    if form.media_type == PROTOBUF and form.as_ == "PartialObjectMetadata":
        return lambda batch: [partial_frame(resource, event, form) for event in batch]
    if form.as_ == "Table":
        return Tables(request, resource, form)
    if form.as_ == "PartialObjectMetadata":
        return lambda batch: [line(event.type, table.partial(resource, event.entry.object, form.version)) for event in batch]
    raise not_acceptable()


def plain(batch: list[CacheEvent]) -> list[bytes]:
    """Events as lines of JSON, encoded once for all watchers."""
    return [event.encoded for event in batch]


def plain_protobuf(batch: list[CacheEvent]) -> list[bytes]:
    """Events as protobuf frames, encoded once for all watchers."""
    return [event.frame for event in batch]


def partial_frame(resource: Resource[Any], event: CacheEvent, form: Form) -> bytes:
    """An event with the metadata of its object."""
    head = envelope.head_of(f"meta.k8s.io/{form.version}", form.as_)
    return envelope.framed(event.type, envelope.enveloped(head, envelope.partial_metadata(table.metadata_of(resource, event.entry.object))))


def line(type: str, obj: Any) -> bytes:
    """An event as a line of JSON."""
    return b'{"type":"%b","object":%b}\n' % (type.encode(), encode_json(obj))


class Tables:
    """Tables of one row each."""

    def __init__(self, request: Request, resource: Resource[Any], form: Form) -> None:
        self._request = request
        self._resource = resource
        self._form = form
        self._columns_sent = False

    def __call__(self, batch: list[CacheEvent]) -> list[bytes]:
        return [line(event.type, self._table(event)) for event in batch]

    def _table(self, event: CacheEvent) -> dict[str, Any]:
        made = table_of(self._request, self._resource, (event.entry.object,), self._form, columns=not self._columns_sent)
        made["metadata"] = ListMeta(resourceVersion=str(event.revision))
        self._columns_sent = True
        return made
