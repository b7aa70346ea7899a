"""/openapi/v3 with its documents, and /openapi/v2, as JSON or protobuf.

Documents are made in a thread at first use and kept as bytes; a document under the hash of the index never changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from pilothouse.apiserver.http.answer import JSON, Answer
from pilothouse.apiserver.http.negotiation import clauses
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.apiserver.openapi import protobuf, protobuf_v3, v2, v3
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.resource import Resource

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_PROTOBUF_OLD = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What clients ask for; as a Content-Type it is not valid, and upstream answers with the other."""
V2_FORMS = {"*/*": JSON, "application/*": JSON, JSON: JSON, V2_PROTOBUF_OLD: V2_PROTOBUF, V2_PROTOBUF: V2_PROTOBUF}
V3_PROTOBUF = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
V3_PROTOBUF_OLD = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"
V3_FORMS = {"*/*": JSON, "application/*": JSON, JSON: JSON, V3_PROTOBUF_OLD: V3_PROTOBUF, V3_PROTOBUF: V3_PROTOBUF}
FOR_EVER = "public, immutable"


class OpenApi:
    """The documents of what a catalogue serves now: made anew after each change of it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._revision = -1
        self._made: dict[str, bytes] = {}
        self._making = asyncio.Lock()

    def paths(self) -> Mapping[str, Handler]:
        return {
            "/openapi/v3": self._index,
            "/openapi/v3/*": self._version_three,
            "/openapi/v2": self._version_two,
        }

    def _current(self) -> tuple[Resource[Any], ...]:
        """The resources that are served; what was made of others is forgotten."""
        if self._revision != self._catalogue.revision:
            self._revision = self._catalogue.revision
            self._made = {}
        return self._catalogue.resources()

    async def _index(self, request: Request) -> Response:
        resources = self._current()
        return Answer(200, await self._once("index", lambda: msgspec.json.encode(v3.index(resources))))

    async def _version_three(self, request: Request) -> Response:
        name = request.info.path.removeprefix("/openapi/v3/").strip("/")
        resources = self._current()
        mine = [resource for resource in resources if v3.path_of(resource.group, resource.version) == name]
        if not mine or request.info.path.endswith("/"):
            return Answer(404, content_type="")
        form = accepted_form(request, V3_FORMS)
        if not form:
            return not_acceptable()
        hashed, asked = v3.hash_of(name, mine), request.parameter("hash")
        etag = f'"{hashed}"'
        if asked and asked != hashed:  # what the client knew is no longer served: it is led to what is
            return Answer(301, b"", form, [("ETag", etag), ("Vary", "Accept"), ("Location", v3.url_of(name, hashed))])
        encode: Callable[[Any], bytes] = msgspec.json.encode if form == JSON else protobuf_v3.encode
        make = partial(v3.document, resources, mine[0].group, mine[0].version, self._catalogue.level)
        body = await self._once(f"v3 {form} {name}", lambda: encode(make()))
        cache = FOR_EVER if asked else "no-cache, private"
        return self._known(request, Answer(200, body, form, [("ETag", etag), ("Vary", "Accept")], cache=cache), etag)

    async def _version_two(self, request: Request) -> Response:
        form = accepted_form(request, V2_FORMS)
        if not form:
            return not_acceptable()
        encode: Callable[[Any], bytes] = msgspec.json.encode if form == JSON else protobuf.encode
        resources = self._current()
        body = await self._once(f"v2 {form}", lambda: encode(v2.document(resources, self._catalogue.level)))
        etag = f'"{v3.hash_of("v2", resources)}"'
        return self._known(request, Answer(200, body, form, [("ETag", etag), ("Vary", "Accept")]), etag)

    def _known(self, request: Request, answer: Answer, etag: str) -> Answer:
        """304 when the client has it."""
        return Answer(304, b"", answer.content_type, answer.headers) if etag in request.header("If-None-Match") else answer

    async def _once(self, name: str, make: Callable[[], bytes]) -> bytes:
        made = self._made
        if name not in made:
            async with self._making:
                if name not in made:
                    made[name] = await asyncio.to_thread(make)
        return made[name]


def accepted_form(request: Request, forms: Mapping[str, str]) -> str:
    """The form that the client would rather have, of those that there are; "" when there is none for it."""
    accepted = (f"{type}/{subtype}" for type, subtype, _ in clauses(request.header("Accept") or JSON))
    return next((forms[media_type] for media_type in accepted if media_type in forms), "")


def not_acceptable() -> Answer:
    """What upstream's handlers say of OpenAPI in a form that there is not: no body."""
    return Answer(406, content_type="", headers=[("Vary", "Accept")])
