"""GET of the discovery documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pilothouse.api.protobuf import envelope
from pilothouse.api.protobuf.encoder import encode_message
from pilothouse.apiserver.discovery.index import Discovery, Encoded
from pilothouse.apiserver.http.answer import JSON, Answer
from pilothouse.apiserver.http.encoding import finish, yaml_of
from pilothouse.apiserver.http.negotiation import PROTOBUF, Form, check_route, clauses, not_acceptable, served_by
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.machinery import meta_v1
from pilothouse.machinery.errors import no_such_resource

SLASHES_OF_A_VERSION = 3
"""Those of `/apis/<group>/<version>`, which a route serves, as it does `/api` and what is below."""


def finder(discovery: Discovery) -> Callable[[str], Handler | None]:
    """A function that gives the handler of a discovery path, with or without a trailing slash."""

    async def serve(request: Request) -> Response:
        path = request.info.path.removesuffix("/")
        return answer(request, *choose(discovery, path, request.header("Accept")))

    return lambda path: serve if discovery.plain(path.removesuffix("/")) is not None else None


def choose(discovery: Discovery, path: str, accept: str) -> tuple[Encoded, str, str]:
    """The form of a document that the client likes best: its version when it is the aggregated one, and its media type."""
    plain = discovery.plain(path)
    if plain is None:
        raise no_such_resource()
    if not accept:
        return plain, "", JSON
    if path.startswith("/api/") or path == "/api" or path.count("/") == SLASHES_OF_A_VERSION:
        check_route(accept)
    for type, subtype, parameters in clauses(accept):
        for media_type in served_by(type, subtype):
            version = parameters.get("v", "")
            wanted = parameters.get("as") == "APIGroupDiscoveryList" and media_type != PROTOBUF
            aggregated = discovery.aggregated(path, version) if wanted else None
            if aggregated is not None:
                return aggregated, version, media_type
            if "as" not in parameters:
                return plain, "", media_type
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
