"""GET of the discovery documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilothouse.api.protobuf import envelope
from pilothouse.api.protobuf.encoder import encode_message
from pilothouse.apiserver.discovery.index import AGGREGATED_VERSIONS, Discovery, Encoded
from pilothouse.apiserver.http.answer import JSON, Answer
from pilothouse.apiserver.http.encoding import finish, yaml_of
from pilothouse.apiserver.http.negotiation import PROTOBUF, Form, clauses, not_acceptable, served_by
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.machinery import meta_v1


def paths(discovery: Discovery) -> Mapping[str, Handler]:
    """The plain paths of discovery."""

    async def serve(request: Request) -> Response:
        path = request.info.path.rstrip("/")
        return answer(request, *choose(discovery, path, request.header("Accept")))

    found: dict[str, Handler] = {}
    for path in discovery.plain:
        found[path] = found[path + "/"] = serve
    return found


def choose(discovery: Discovery, path: str, accept: str) -> tuple[Encoded, str, str]:
    """The form of a document that the client likes best: its version when it is the aggregated one, and its media type."""
    if not accept:
        return discovery.plain[path], "", JSON
    for type, subtype, parameters in clauses(accept):
        for media_type in served_by(type, subtype):
            version = parameters.get("v", "")
            aggregated = parameters.get("as") == "APIGroupDiscoveryList" and media_type != PROTOBUF
            if aggregated and version in AGGREGATED_VERSIONS and (path, version) in discovery.aggregated:
                return discovery.aggregated[path, version], version, media_type
            if "as" not in parameters:
                return discovery.plain[path], "", media_type
    raise not_acceptable()


def protobuf_of(document: bytes) -> bytes:
    """A plain document (APIVersions, APIGroupList, APIGroup, APIResourceList) in protobuf."""
    kind = msgspec.json.decode(document)["kind"]
    cls: type[Any] = getattr(meta_v1, kind)
    return envelope.enveloped(envelope.head_of("v1", kind), encode_message(msgspec.json.decode(document, type=cls)))


def answer(request: Request, chosen: Encoded, version: str, media_type: str) -> Response:
    """The document, or 304 when the client has it."""
    if not version and media_type == PROTOBUF:
        return Answer(200, protobuf_of(chosen.body), PROTOBUF)
    if not version:
        return finish(request, Form(media_type), chosen.body)
    content_type = f"{media_type};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    headers = [("ETag", chosen.etag), ("Vary", "Accept")]
    if chosen.etag in request.header("If-None-Match"):
        return Answer(304, b"", content_type, headers)
    return Answer(200, chosen.body if media_type == JSON else yaml_of(chosen.body), content_type, headers)
