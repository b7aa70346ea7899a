"""/openapi/v3 with its documents, and /openapi/v2, as JSON or protobuf.

Documents are made in a thread at first use and kept, large ones compressed, as most clients take them; a document under the hash of the
index never changes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import msgspec

from pilothouse.apiserver.http.answer import JSON, Answer
from pilothouse.apiserver.http.compression import HEADERS, MINIMUM_BYTES, gzipped, is_wanted, unzipped
from pilothouse.apiserver.http.negotiation import clauses
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.apiserver.openapi import protobuf_v3, v3
from pilothouse.apiserver.openapi.assembled import JSON as AS_JSON
from pilothouse.apiserver.openapi.assembled import PROTOBUF as AS_PROTOBUF
from pilothouse.apiserver.openapi.assembled import Assembled
from pilothouse.apiserver.openapi.merging import Spec
from pilothouse.kit.offload import in_background
from pilothouse.machinery.catalogue import Catalogue

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_PROTOBUF_OLD = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What clients ask for; as a Content-Type it is not valid, and upstream answers with the other."""
V2_FORMS = {"*/*": JSON, "application/*": JSON, JSON: JSON, V2_PROTOBUF_OLD: V2_PROTOBUF, V2_PROTOBUF: V2_PROTOBUF}
V3_PROTOBUF = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
V3_PROTOBUF_OLD = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"
V3_FORMS = {"*/*": JSON, "application/*": JSON, JSON: JSON, V3_PROTOBUF_OLD: V3_PROTOBUF, V3_PROTOBUF: V3_PROTOBUF}
FOR_EVER = "public, immutable"


KEPT_BYTES = 16 << 20
"""Of documents, in sum, as they are kept."""


@dataclass(frozen=True, slots=True)
class CachedDocument:
    """A document that was made."""

    body: bytes
    is_compressed: bool

    @classmethod
    def of(cls, body: bytes) -> CachedDocument:
        """Compressed where that is what large answers are."""
        return cls(gzipped(body), True) if len(body) >= MINIMUM_BYTES else cls(body, False)


class Remote(Protocol):
    """The documents of extension API servers: URLs by name, `revision` changes with them; and what is merged into version 2."""

    revision: int
    index: Mapping[str, str]
    specs: Sequence[Spec]
    digest: str


class OpenApi:
    """OpenAPI documents of the catalogue; after a change only the affected group's documents are made again.

    `remote` are those of extension API servers, in version 3; `extension` gives who passes on requests for a group and version.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        remote: Remote | None = None,
        extension: Callable[[str, str], Handler | None] = lambda group, version: None,
    ) -> None:
        self._catalogue = catalogue
        self._remote = remote
        self._extension = extension
        self._made: OrderedDict[tuple[str, str], CachedDocument] = OrderedDict()
        """By name and hash; what was asked for last stands last."""
        self._making = asyncio.Lock()
        self._version_two_of = {JSON: Assembled(AS_JSON, catalogue.level), V2_PROTOBUF: Assembled(AS_PROTOBUF, catalogue.level)}

    def paths(self) -> Mapping[str, Handler]:
        """Handlers by path."""
        return {
            "/openapi/v3": self._index,
            "/openapi/v3/*": self._version_three,
            "/openapi/v2": self._version_two,
        }

    async def _index(self, request: Request) -> Response:
        resources, remote = self._catalogue.resources(), self._remote
        hashed = f"{self._catalogue.revision} {remote.revision if remote is not None else 0}"

        def make() -> bytes:
            document = v3.index(resources)
            if remote is not None and remote.index:
                others = {name: {"serverRelativeURL": url} for name, url in remote.index.items()}
                document["paths"] = dict(sorted((document["paths"] | others).items()))
            return msgspec.json.encode(document)

        return await self._answer(request, await self._once("index", hashed, make), Answer())

    async def _version_three(self, request: Request) -> Response:
        name = request.info.path.removeprefix("/openapi/v3/").strip("/")
        if self._remote is not None and name in self._remote.index:
            handler = self._extension(*name.split("/")[1:3])
            if handler is not None:
                return await handler(request)
        resources = self._catalogue.resources()
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
        body = await self._once(f"v3 {form} {name}", hashed, lambda: encode(make()))
        cache = FOR_EVER if asked else "no-cache, private"
        answer = Answer(200, b"", form, [("ETag", etag), ("Vary", "Accept")], cache=cache)
        return await self._answer(request, body, answer, etag)

    async def _version_two(self, request: Request) -> Response:
        form = accepted_form(request, V2_FORMS)
        if not form:
            return not_acceptable()
        resources = self._catalogue.resources()
        specs, digest = (self._remote.specs, self._remote.digest) if self._remote is not None else ((), "")
        hashed = v3.hash_of(f"v2{digest}", resources)
        body = await self._once(f"v2 {form}", hashed, lambda: self._version_two_of[form].body(resources, specs))
        etag = f'"{hashed}"'
        return await self._answer(request, body, Answer(200, b"", form, [("ETag", etag), ("Vary", "Accept")]), etag)

    async def _answer(self, request: Request, kept: CachedDocument, answer: Answer, etag: str = "") -> Answer:
        """The answer with a document in it; 304 when the client has that."""
        if etag and etag in request.header("If-None-Match"):
            return Answer(304, b"", answer.content_type, answer.headers)
        if not kept.is_compressed:
            answer.body = kept.body
        elif is_wanted(request, answer):
            answer.body, answer.headers = kept.body, [*answer.headers, *HEADERS]
        else:
            answer.body = await in_background(unzipped, kept.body)
        return answer

    async def _once(self, name: str, hashed: str, make: Callable[[], bytes]) -> CachedDocument:
        key, made = (name, hashed), self._made
        if key not in made:
            async with self._making:
                if key not in made:
                    kept = await in_background(lambda: CachedDocument.of(make()))
                    for other in [other for other in made if other[0] == name]:  # of what is served no longer
                        del made[other]
                    made[key] = kept
                    while sum(len(each.body) for each in made.values()) > KEPT_BYTES and len(made) > 1:
                        made.popitem(last=False)
                    return kept
        made.move_to_end(key)
        return made[key]


def accepted_form(request: Request, forms: Mapping[str, str]) -> str:
    """The form that the client would rather have, of those that there are; "" when there is none for it."""
    accepted = (f"{type}/{subtype}" for type, subtype, _ in clauses(request.header("Accept") or JSON))
    return next((forms[media_type] for media_type in accepted if media_type in forms), "")


def not_acceptable() -> Answer:
    """Upstream's 406 for OpenAPI in an unsupported format: without a body."""
    return Answer(406, content_type="", headers=[("Vary", "Accept")])
