"""Decoding of request bodies into objects, with the client's field validation.

Problems that are only warned of go into the request, and from there into the answer's Warning headers.
"""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import import_module
from typing import Any

import msgspec

from pilothouse.api.earlier import EARLIER
from pilothouse.api.protobuf import envelope
from pilothouse.api.protobuf.decoder import decode_message
from pilothouse.api.types.autoscaling_v1 import Scale
from pilothouse.apiserver.http.large_bodies import LARGE_BYTES, LARGE_YAML_BYTES
from pilothouse.apiserver.http.request import Request
from pilothouse.apiserver.registry.store import REQUEST_LIMIT_BYTES, refuse_too_large
from pilothouse.kit.offload import in_thread
from pilothouse.machinery import codec, errors, strict, time
from pilothouse.machinery.empty_lists import said
from pilothouse.machinery.meta_v1 import DeleteOptions
from pilothouse.machinery.resource import Resource, per_resource
from pilothouse.machinery.said_empty import FIELDS, containers
from pilothouse.machinery.shape import shape_of

PROTOBUF = "application/vnd.kubernetes.protobuf"
READ = {PROTOBUF: PROTOBUF, "application/json": "application/json", "application/yaml": "application/yaml", "": "application/json"}
OLD_EVICTION = re.compile(rb'("?apiVersion"?\s*:\s*"?)policy/v1beta1\b')
PARAMETERS = re.compile(r"""[^;]*(;\s*[^\s;="]+\s*=\s*("[^"]*"|[^\s;="]+)\s*)*;?\s*""")
"""A media type with parameters that can be read: `a/b; c=d; e="f"`."""
SCHEME = "pkg/runtime/scheme.go:111"
WIDE_VALUES = 20_000
CANONICAL_LENGTH = len("2006-01-02T15:04:05Z")
UNSUPPORTED = (
    "the body of the request was in an unknown format - accepted media types include: "
    "application/json, application/yaml, application/vnd.kubernetes.protobuf"
)


def content_type_of(request: Request) -> str:
    """The media type of a body; StatusError 415 for one that is not read."""
    header = request.header("Content-Type")
    content_type = READ.get(media_type_of(header).lower())
    if content_type is None or (";" in header and not PARAMETERS.fullmatch(header)):
        raise errors.unsupported_media_type(UNSUPPORTED)
    return content_type


def media_type_of(header: str) -> str:
    """The media type in a Content-Type header, without its parameters."""
    return header.partition(";")[0].strip()


def empty_lists(data: bytes, resource: Resource[Any], content_type: str) -> tuple[tuple[str, ...], ...]:
    """Paths of the lists of an object that its body says are empty, though the object is kept without them: they are owned all the same.

    Only lists that are reached without going through another list.
    """
    if content_type == PROTOBUF or b"[]" not in data or len(data) >= LARGE_BYTES or not issubclass(resource.type, msgspec.Struct):
        return ()
    with suppress(ValueError):
        return tuple(said(codec.parse(data, content_type), resource.type()))
    return ()


async def read(request: Request, resource: Resource[Any], strictness: str, content_type: str) -> Any:
    """The object in the body: of the resource's kind, or of the kind that its subresource exchanges."""
    data = await body(request, content_type)
    strictness, level = strictness or "Warn", request.api.registry.catalogue.level
    exchanged = exchanged_type(resource, request.info.subresource)
    try:
        if len(data) < LARGE_BYTES and not isinstance(data, codec.ReadYaml):
            decoded = decode(data, resource, exchanged, strictness, content_type, level)
        else:
            decoded = await in_thread(decode_large, data, resource, exchanged, strictness, content_type, level)
    except errors.StatusError:
        if resource.is_hub and exchanged is not None and content_type != PROTOBUF:  # upstream's decoder of custom kinds cannot say more
            raise errors.bad_request(f'no kind is registered for the type v1.{exchanged.__name__} in scheme "{SCHEME}"') from None
        if content_type != PROTOBUF and len(data) < LARGE_BYTES and not resource.is_hub:
            refuse_unregistered(request, data, (resource.group, resource.version, resource.kind), exchanged, content_type)
        raise
    request.warnings.extend(decoded.warnings)
    make_times_canonical(getattr(decoded.object, "metadata", None))
    if exchanged is None:
        request.empty_lists = empty_lists(data, resource, content_type)
        if content_type != PROTOBUF and FIELDS.search(data):
            request.said_empty = tuple(containers(codec.parse(data, content_type), decoded.object))
    return decoded.object


def decode(
    data: bytes, resource: Resource[Any], exchanged: type[Any] | None, strictness: str, content_type: str, level: str
) -> codec.Decoded:
    """The object in a body of any media type, at an API level."""
    if content_type == PROTOBUF:
        return codec.Decoded(codec.at_level(read_protobuf(data, exchanged or resource.type), level))
    if exchanged is None:
        return codec.decode(data, resource, strictness=strictness, content_type=content_type, level=level)
    return codec.decode_as(in_newest(data, exchanged), exchanged, strictness=strictness, content_type=content_type, level=level)


def decode_large(
    data: bytes, resource: Resource[Any], exchanged: type[Any] | None, strictness: str, content_type: str, level: str
) -> codec.Decoded:
    """The same; an object of very many values, which the store would refuse at last, is refused before all are looked at."""
    decoded = decode(data, resource, exchanged, strictness, content_type, level)
    if len(data) > REQUEST_LIMIT_BYTES and data.count(b",") + data.count(b"\n") > WIDE_VALUES:
        refuse_too_large(decoded.object, len(data))
    return decoded


async def body(request: Request, content_type: str) -> bytes:
    """The body; a large one in YAML has been read by then, by another process."""
    data = await request.body()
    if len(data) < LARGE_YAML_BYTES or not codec.is_yaml(content_type):
        return data
    return await request.api.large_bodies.yaml(data)


def refuse_unregistered(
    request: Request, data: bytes, expected: tuple[str, str, str], exchanged: type[Any] | None, content_type: str
) -> None:
    """A StatusError in upstream's words when the body names a kind that is served in no version, or not in the one it names.

    `expected` is the kind itself; `exchanged` what a subresource exchanges instead. A Scale of an earlier version is read before its
    version is refused.
    """
    expected = getattr(exchanged, "GVK", expected)
    with suppress(ValueError):  # what cannot be read is told by who decodes it
        parsed = codec.parse(data, content_type)
        if not isinstance(parsed, dict):
            return
        try:
            refuse_other_than_text(parsed)
            group, version, kind = completed = codec.completed(expected, parsed.get("apiVersion"), parsed.get("kind"))
        except ValueError as problem:
            text = f"the object provided is unrecognized (must be of type {expected[2]}): {problem}"
            raise errors.bad_request(f"{text} ({codec.summary(data)})") from problem
        if completed == expected or is_registered(request, *completed):
            if completed[1:] != expected[1:] and kind == "Scale" and (problem_of_type := earlier_scale_error(parsed)):
                raise errors.bad_request(f'{kind} in version "{version}" cannot be handled as a {expected[2]}: {problem_of_type}')
            return
        api_version = f"{group}/{version}" if group else version
        text = f'no kind "{kind}" is registered for version "{api_version}" in scheme "{SCHEME}"'
        if not version:
            text = f"Object 'apiVersion' is missing in '{data.decode(errors='replace')}'"
        raise errors.bad_request(f'{kind} in version "{version}" cannot be handled as a {expected[2]}: {text}')


def earlier_scale_error(parsed: dict[str, Any]) -> str:
    """Problem of a Scale of an earlier version, whose selector is a map; "" without one."""
    if text := strict.type_error({**parsed, "status": None}, shape_of(Scale)):
        return text
    status = parsed.get("status")
    if not isinstance(status, dict | None):
        kind = f"{parsed['apiVersion'].rpartition('/')[2]}.ScaleStatus"
        return f"json: cannot unmarshal {strict.described(status)} into Go struct field Scale.status of type {kind}"
    selector = (status or {}).get("selector")
    if isinstance(selector, dict | None):
        return ""
    return f"json: cannot unmarshal {strict.described(selector)} into Go struct field ScaleStatus.status.selector of type map[string]string"


def refuse_other_than_text(parsed: dict[str, Any]) -> None:
    """ValueError when a body's apiVersion or kind is no string."""
    for name, value in parsed.items():
        if name in ("apiVersion", "kind") and not isinstance(value, str | None):
            text = f"json: cannot unmarshal {strict.described(value)} into Go struct field .{name} of type string"
            raise ValueError(f"couldn't get version/kind; json parse error: {text}")


def is_registered(request: Request, group: str, version: str, kind: str) -> bool:
    """Whether a kind is served, was served once, or is exchanged by some subresource."""
    if kind in codec.UNVERSIONED or kind in EARLIER.get((group, version), ()):
        return True
    if kind in codec.EVERYWHERE:
        served = {(known.group, known.version) for known in request.api.registry.catalogue.resources()}
        return (group, version) in served or (group, version) in EARLIER
    if request.api.registry.catalogue.by_kind(group, version, kind) is not None:
        return True
    try:
        module = import_module(f"pilothouse.api.types.{group.partition('.')[0] or 'core'}_{version}")
    except ImportError:
        return False
    return getattr(getattr(module, kind, None), "GVK", None) == (group, version, kind)


def in_newest(data: bytes, exchanged: type[Any]) -> bytes:
    """An Eviction as kubectl before 1.22 writes it: of a version that is served no more, but that upstream still reads."""
    if exchanged.__name__ == "Eviction" and not isinstance(data, codec.ReadYaml):
        return OLD_EVICTION.sub(rb"\1policy/v1", data)
    return data


def make_times_canonical(metadata: Any) -> None:
    """Clients may write the times of ObjectMeta with any offset; they are compared and kept in UTC, in whole seconds."""
    for name in ("creationTimestamp", "deletionTimestamp"):
        value: str = getattr(metadata, name, "")
        if value and (len(value) != CANONICAL_LENGTH or not value.endswith("Z")):
            try:
                setattr(metadata, name, time.text(time.parse(value)))
            except ValueError as problem:
                raise errors.bad_request(str(problem)) from problem


@per_resource
def exchanged_type(resource: Resource[Any], subresource: str) -> type[Any] | None:
    """The struct class that a subresource exchanges (Scale, Binding, Eviction, TokenRequest); None for the kind itself."""
    declared = resource.subresources.get(subresource)
    if declared is None or declared.kind is None:
        return None
    group, version, kind = declared.kind
    module = import_module(f"pilothouse.api.types.{group.partition('.')[0] or 'core'}_{version}")
    exchanged: type[Any] = getattr(module, kind)
    return exchanged


async def read_delete_options(request: Request) -> DeleteOptions | None:
    """The DeleteOptions in a DELETE's body; None when there is no body."""
    data = await request.body()
    if not data:
        return None
    content_type = content_type_of(request)
    try:
        parsed = protobuf_options(data) if content_type == PROTOBUF else codec.document(data, content_type)
        if parsed is None:
            return DeleteOptions()
        refuse_other_than_options(parsed)
        if content_type == PROTOBUF:
            return read_protobuf(data, DeleteOptions)  # type: ignore[no-any-return]
    except ValueError as problem:
        raise errors.bad_request(str(problem)) from problem
    options: DeleteOptions = codec.decode_as(data, DeleteOptions, content_type=content_type).object
    return options


def protobuf_options(data: bytes) -> dict[str, Any]:
    """DeleteOptions from a protobuf body. Raises ValueError for an invalid one."""
    api_version, kind, _ = envelope.decode_envelope(data)
    return {"apiVersion": api_version, "kind": kind}


def refuse_other_than_options(parsed: dict[str, Any]) -> None:
    """Raise ValueError for a body of another kind than DeleteOptions, so that it does not delete with default options."""
    kind, api_version = parsed.get("kind") or "DeleteOptions", parsed.get("apiVersion") or ""
    if api_version.count("/") > 1:
        raise ValueError(f"unexpected GroupVersion string: {api_version}")
    if kind in codec.UNVERSIONED:
        raise ValueError(f"converting (v1.{kind}) to (v1.DeleteOptions): unknown conversion")
    if kind != "DeleteOptions":
        raise ValueError(f'no kind "{kind}" is registered for version "{api_version or "meta.k8s.io/v1"}" in scheme "{SCHEME}"')


def read_protobuf(data: bytes, kind: type[Any]) -> Any:
    """A struct of the class from a protobuf body; a 400 StatusError in upstream's words for one that is broken, or of another kind."""
    try:
        api_version, name, message = envelope.decode_envelope(data)
    except ValueError as problem:
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {kind.__name__}): {problem} ({codec.summary(data)})"
        ) from problem
    if (kind.__name__, api_version) == ("Eviction", "policy/v1beta1"):
        api_version = "policy/v1"
    gvk: tuple[str, str, str] | None = getattr(kind, "GVK", None)
    codec.check_kind(gvk, api_version, name)
    try:
        decoded = decode_message(message, kind)
    except ValueError as problem:
        version = gvk[1] if gvk else "v1"
        raise errors.bad_request(f'{kind.__name__} in version "{version}" cannot be handled as a {kind.__name__}: {problem}') from problem
    return codec.set_type_meta(decoded) if gvk else decoded
