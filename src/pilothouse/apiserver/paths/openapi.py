"""/openapi/v3 with its documents, and /openapi/v2 as JSON or protobuf.

Documents are made in a thread at first use and kept as bytes; a document under the hash of the index never changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from pilothouse.apiserver.http.answer import JSON, Answer
from pilothouse.apiserver.http.negotiation import clauses, not_acceptable
from pilothouse.apiserver.http.refusals import no_such_resource
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.apiserver.openapi import protobuf, v2, v3
from pilothouse.machinery.resource import Resource

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_PROTOBUF_OLD = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What clients ask for; as a Content-Type it is not valid, and upstream answers with the other."""
V2_FORMS = {"*/*": JSON, "application/*": JSON, JSON: JSON, V2_PROTOBUF_OLD: V2_PROTOBUF, V2_PROTOBUF: V2_PROTOBUF}
V3_FORMS = ("*/*", "application/*", JSON)
FOR_EVER = "public, immutable"


class OpenApi:
    """The documents of one server."""

    def __init__(self, resources: tuple[Resource[Any], ...]) -> None:
        self._resources = resources
        self._versions = {v3.path_of(one.group, one.version): (one.group, one.version) for one in resources}
        self._made: dict[str, bytes] = {}
        self._making = asyncio.Lock()

    def paths(self) -> Mapping[str, Handler]:
        return {
            "/openapi/v3": self._index,
            "/openapi/v3/": self._index,
            "/openapi/v3/*": self._version_three,
            "/openapi/v2": self._version_two,
        }

    async def _index(self, request: Request) -> Response:
        return Answer(200, await self._once("index", lambda: msgspec.json.encode(v3.index(self._resources))))

    async def _version_three(self, request: Request) -> Response:
        name = request.info.path.removeprefix("/openapi/v3/").strip("/")
        found = self._versions.get(name)
        if found is None:
            raise no_such_resource()
        accept = request.header("Accept")
        if accept and not any(f"{type}/{subtype}" in V3_FORMS for type, subtype, _ in clauses(accept)):
            raise not_acceptable()
        make = partial(v3.document, self._resources, *found)
        body = await self._once(f"v3 {name}", lambda: msgspec.json.encode(make()))
        etag = f'"{v3.hash_of(name)}"'
        cache = FOR_EVER if request.parameter("hash") == v3.hash_of(name) else "no-cache, private"
        return self._known(request, Answer(200, body, headers=[("ETag", etag), ("Vary", "Accept")], cache=cache), etag)

    async def _version_two(self, request: Request) -> Response:
        accepted = (f"{type}/{subtype}" for type, subtype, _ in clauses(request.header("Accept") or JSON))
        form = next((V2_FORMS[media_type] for media_type in accepted if media_type in V2_FORMS), "")
        if not form:
            raise not_acceptable()
        encode: Callable[[Any], bytes] = msgspec.json.encode if form == JSON else protobuf.encode
        body = await self._once(f"v2 {form}", lambda: encode(v2.document(self._resources)))
        etag = f'"{v3.hash_of("v2")}"'
        return self._known(request, Answer(200, body, form, [("ETag", etag), ("Vary", "Accept")]), etag)

    def _known(self, request: Request, answer: Answer, etag: str) -> Answer:
        """304 when the client has it."""
        return Answer(304, b"", answer.content_type, answer.headers) if etag in request.header("If-None-Match") else answer

    async def _once(self, name: str, make: Callable[[], bytes]) -> bytes:
        if name not in self._made:
            async with self._making:
                if name not in self._made:
                    self._made[name] = await asyncio.to_thread(make)
        return self._made[name]
