"""What an audit event shows of bodies: of requests as they were decoded, of answers as JSON whatever their form was."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from pilothouse.api.protobuf import envelope
from pilothouse.api.protobuf.decoder import decode_message
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.decoding import exchanged_type
from pilothouse.apiserver.http.negotiation import PROTOBUF
from pilothouse.apiserver.http.request import Request
from pilothouse.client.call import APPLY_PATCH
from pilothouse.machinery import codec, yaml
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.meta_v1 import DeleteOptions, Status
from pilothouse.machinery.resource import Resource

JSON, YAML = "application/json", "application/yaml"
OBJECT = b'{"kind":"'
CUSTOM_OBJECT = b'{"apiVersion":"'
STATUS = b'"kind":"Status"'


def note_object(request: Request, resource: Resource[Any], body: Any) -> None:
    """Note the object of a create or an update, as upstream after decoding: with its defaults."""
    audit = request.audit
    if audit is None:
        return
    metadata = getattr(body, "metadata", None)
    if audit.scope.has_requests and exchanged_type(resource, request.info.subresource) is None:
        body = codec.clone(body)
        for hook in resource.defaults:
            hook(body)
    audit.requested(body, metadata)


def note_options(request: Request, options: DeleteOptions | None) -> None:
    """Note the DeleteOptions in a body; upstream shows them in its internal version."""
    if request.audit is not None and options is not None and request.audit.scope.has_requests:
        request.audit.requested(msgspec.structs.replace(options, kind="DeleteOptions", apiVersion="meta.k8s.io/__internal"))


def note_patch(request: Request, patch_type: str, body: bytes) -> None:
    """Note a patch; one in YAML as JSON."""
    if request.audit is None or not request.audit.scope.has_requests:
        return
    if patch_type == APPLY_PATCH and not body.lstrip().startswith(b"{"):
        with suppress(ValueError):
            body = codec.encode(codec.parse(body, YAML))
    request.audit.patched(bytes(body))


def json_of(status: Status) -> bytes:
    """A Status as it is answered."""
    return codec.encode(status)


def object_in(answer: Answer, catalogue: Catalogue) -> bytes:
    """The object of an answer as JSON; nothing where it is none (a log, a health check, what was proxied, a list in protobuf)."""
    body, media_type = answer.body.rstrip(b"\n"), answer.content_type.partition(";")[0]
    if media_type == JSON:
        if body.startswith((OBJECT, CUSTOM_OBJECT)):
            return body
        if body[:1] == b"{" and b'"kind": "' in body[:200]:  # indented
            return msgspec.json.format(body, indent=-1)
    if media_type == YAML:
        with suppress(yaml.YamlError, ValueError):
            return codec.encode(codec.parse(body, YAML))
    if media_type == PROTOBUF:
        with suppress(ValueError, AttributeError):
            api_version, kind, message = envelope.decode_envelope(body)
            group, _, version = api_version.rpartition("/")
            resource = catalogue.by_kind(group, version, kind)
            return b"" if resource is None else codec.encode(codec.set_type_meta(decode_message(message, resource.type)))
    return b""


def status_in(answer: Answer) -> Status | None:
    """The Status that an answer is; None when it is none."""
    body = answer.body if answer.content_type == JSON and STATUS in answer.body[:64] else b""
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(body, type=Status) if body else None
    return None
