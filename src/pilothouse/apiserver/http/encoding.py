"""Encoding of the registry's results in the form that the client accepts.

- A committed object's JSON was made once, at its commit: a GET sends those bytes, a LIST joins them. Its protobuf is made at the
  first request for it, and kept.
- Tables, partial metadata and YAML are made per request from the same objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from pilothouse.api.protobuf import envelope
from pilothouse.api.protobuf.tables import has_protobuf
from pilothouse.apiserver.cache.entry import CreatedEntry, Entry, EntryList
from pilothouse.apiserver.http import empty_values
from pilothouse.apiserver.http.answer import JSON, Answer, from_status
from pilothouse.apiserver.http.negotiation import (
    ANSWER_ONLY,
    ERROR,
    NO_PROTOBUF,
    OBJECT,
    PLAIN,
    PROTOBUF,
    Form,
    check_route,
    check_transformation,
    negotiate,
    not_acceptable,
)
from pilothouse.apiserver.http.request import Request
from pilothouse.machinery import errors, table
from pilothouse.machinery.codec import encode
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ListMeta, Status
from pilothouse.machinery.resource import Resource

INCLUDES = ("Metadata", "None", "Object")
ENCODED_AT_ONCE = 100
ITEM_HEAD = b'{"metadata":{'
READERS = ("curl", "Wget", "Mozilla/5.0")
MADE_HERE = frozenset({"columnDefinitions", "rows", "items", "object"})
"""Fields of a Table or a list whose values are maps that are made here, or lists of such."""
MADE_KINDS = ("PartialObjectMetadata", "PartialObjectMetadataList", "Table")


def encode_json(value: Any) -> bytes:
    """The JSON of an object, or of a Table, a list or partial metadata as made here: their fields stand in the order of the dict."""
    return encode(in_order(value))


def in_order(value: Any) -> Any:
    """`value` with every map that is made here as a struct, since maps are encoded in the order of their keys."""
    if isinstance(value, list):
        return [in_order(member) for member in value]
    if not isinstance(value, dict) or value.get("kind", "Table") not in MADE_KINDS:
        return value
    members = (in_order(member) if name in MADE_HERE else member for name, member in value.items())
    return ordered_type(tuple(value))(*members)


@cache
def ordered_type(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """A struct of these fields; there are few: each is written out in this module or in machinery/table.py."""
    return msgspec.defstruct("Ordered", names, gc=False)


def form_of(request: Request, resource: Resource[Any] | None = None) -> Form:
    """Form of the response for this client. Results that are never read (reviews, tokens, bindings) have no Table."""
    accept = request.http.headers.get("Accept", "")
    if accept == JSON:
        return PLAIN
    if resource is None or not resource.is_hub:
        check_route(accept, collection=not request.info.name and request.info.verb in ("list", "watch"))
    if resource is None:
        return negotiate(accept)
    exchanged = resource.subresources.get(request.info.subresource)
    if not has_protobuf(resource.type) and (exchanged is None or exchanged.kind is None):
        return negotiate(accept, NO_PROTOBUF)
    return negotiate(accept, ANSWER_ONLY if tuple((exchanged or resource).verbs) == ("create",) else OBJECT)


async def encode_in_turns(request: Request, form: Form, result: EntryList) -> None:
    """Make the protobuf of a list's objects that nobody has asked for yet, a few in each turn of the loop: others are not kept waiting."""
    if form.media_type != PROTOBUF or form.as_:
        return
    for index, entry in enumerate(result.entries, 1):
        entry.protobuf  # noqa: B018  made at first use: now
        if not index % ENCODED_AT_ONCE:
            await request.api.clock.sleep(0)


def encoded_object(request: Request, resource: Resource[Any], result: Any, status: int = 200) -> Answer:
    """Response with one object or a Status."""
    form = form_of(request, resource)
    if form.as_ and isinstance(result, Entry):
        check_transformation(form, result.resource, is_list=False)
    if form.media_type == PROTOBUF:
        return Answer(status, protobuf_of(form, result), PROTOBUF)
    if form.as_ and isinstance(result, Entry):
        body = encode_json(_transformed(request, result.resource, form, result))
    elif form.as_ == "Table" and not isinstance(result, Status):
        raise not_acceptable()
    else:
        body = json_of(result)
    return finish(request, form, body, status)


def protobuf_of(form: Form, result: Any) -> bytes:
    """Protobuf of one object, its metadata or a Status. Raises StatusError 406 when there is none."""
    if isinstance(result, Entry) and form.as_:
        if form.as_ != "PartialObjectMetadata":
            raise not_acceptable()
        return envelope.enveloped(
            envelope.head_of(f"meta.k8s.io/{form.version}", form.as_),
            envelope.partial_metadata(table.metadata_of(result.resource, result.object)),
        )
    if not isinstance(result, Entry):
        return envelope.encode(result)
    group, version, kind = type(result.object).GVK
    return envelope.enveloped(envelope.head_of(f"{group}/{version}" if group else version, kind), result.protobuf)


def written(result: Any) -> int:
    """The code of a write that may also have made what it names: 201 when it has."""
    return 201 if isinstance(result, CreatedEntry) else 200


def encoded_list(request: Request, resource: Resource[Any], result: EntryList) -> Answer:
    """A list as an answer."""
    form = form_of(request, resource)
    if not form.as_ and form.media_type == PROTOBUF:
        messages = [entry.protobuf for entry in result.entries]
        return Answer(200, envelope.encode_list(resource.api_version, resource.list_kind, list_meta(result), messages), PROTOBUF)
    if not form.as_:
        return finish(request, form, list_body(resource, result))
    check_transformation(form, resource, is_list=True)
    meta = list_meta(result)
    if form.media_type == PROTOBUF:
        messages = [envelope.partial_metadata(table.metadata_of(resource, entry.object)) for entry in result.entries]
        return Answer(200, envelope.encode_list(f"meta.k8s.io/{form.version}", form.as_, meta, messages), PROTOBUF)
    objects = [entry.object for entry in result.entries]
    if form.as_ == "Table":
        made = table_of(request, resource, objects, form, columns=True)
        made["metadata"] = meta
        return finish(request, form, encode_json(made))
    items = [table.partial(resource, obj, form.version) for obj in objects] or None
    body = {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{form.version}",
        "metadata": meta,
        "items": items,
    }
    return finish(request, form, encode_json(body))


def list_body(resource: Resource[Any], result: EntryList) -> bytes:
    """The JSON of a list: a head, and the bytes of the items as they were committed, but for their apiVersion and kind."""
    meta = encode_json(list_meta(result)).decode()
    if resource.is_hub and not result.continue_:  # as upstream's lists of such objects have it
        meta = f'{{"continue":"",{meta[1:]}'
    head = f'{{"kind":"{resource.list_kind}","apiVersion":"{resource.api_version}","metadata":{meta},"items":['
    if resource.is_hub:  # items of custom kinds say their kind, as upstream's do
        body = b",".join([entry.encoded for entry in result.entries])
    else:
        items = [entry.encoded[len(entry.head) :] for entry in result.entries]
        body = ITEM_HEAD + (b"," + ITEM_HEAD).join(items) if items else b""
    return b"".join((head.encode(), body, b"]}\n"))


def list_meta(result: EntryList) -> ListMeta:
    """`metadata` of a list: revision, continue token, remaining items."""
    return ListMeta(
        resourceVersion=str(result.revision) if result.revision else "",
        continue_=result.continue_,
        remainingItemCount=result.remaining,
    )


def json_of(result: Any) -> bytes:
    """JSON of a result: the bytes made at commit, or the encoding of an object that is not stored."""
    encoded: bytes | None = getattr(result, "encoded", None)
    return encode_json(result) if encoded is None else encoded


def finish(request: Request, form: Form, body: bytes, status: int = 200) -> Answer:
    """The answer of a JSON body in the media type of the form."""
    if form.media_type != JSON:
        return Answer(status, yaml_of(body), form.media_type)
    if form.pretty or is_for_reading(request):
        body = msgspec.json.format(body, indent=2)
    return Answer(status, body)


def failed(request: Request, error: StatusError) -> Answer:
    """A failure as an answer: the one place where a StatusError becomes HTTP. In the client's own form where that can be."""
    if error.reason == "Invalid" and (body := request.body_read):
        empty_values.show(error, body, request.header("Content-Type"))
    answer = from_status(error.status)
    try:
        form = negotiate(request.http.headers.get("Accept", ""), ERROR)
    except StatusError:  # it accepts nothing that there is: it is told so in JSON, indented as upstream does
        answer.body = msgspec.json.format(answer.body, indent=2).rstrip(b"\n")
        return answer
    if form.media_type == PROTOBUF:
        answer.body, answer.content_type = envelope.encode(error.status), PROTOBUF
        return answer
    shown = finish(request, form, answer.body, answer.status)
    answer.body, answer.content_type = shown.body, shown.content_type
    return answer


def is_for_reading(request: Request) -> bool:
    """Whether to indent: when asked for, and unasked for people's own tools, as upstream does."""
    if request.query_string and "pretty" in request.query:
        return request.parameter("pretty").lower() not in ("false", "0")
    return request.http.headers.get("User-Agent", "").startswith(READERS)


def yaml_of(body: bytes) -> bytes:
    """JSON as YAML, in upstream's form."""
    from pilothouse.machinery import yaml_emitter

    return yaml_emitter.dump(msgspec.json.decode(body))


def _transformed(request: Request, resource: Resource[Any], form: Form, result: Entry) -> Any:
    if form.as_ == "PartialObjectMetadata":
        return table.partial(resource, result.object, form.version)
    if form.as_ == "Table":
        made = table_of(request, resource, (result.object,), form, columns=True)
        made["metadata"] = ListMeta(resourceVersion=str(result.revision))
        return made
    raise not_acceptable()


def table_of(request: Request, resource: Resource[Any], objects: Sequence[Any], form: Form, *, columns: bool) -> dict[str, Any]:
    """Rows and (when asked for) column definitions."""
    include = request.parameter("includeObject") or "Metadata"
    if include not in INCLUDES:
        told = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise errors.bad_request(f"Unable to convert to Table as requested: {told}")
    made = dict(table.table(resource, objects, request.api.clock.now(), include, version=form.version))
    made["apiVersion"] = f"meta.k8s.io/{form.version}"
    if not columns:
        made["columnDefinitions"] = None
        return made
    for column in made["columnDefinitions"]:
        if column["description"] == column["name"]:
            column["description"] = request.column_descriptions.get(column["name"], column["name"])
    return made
