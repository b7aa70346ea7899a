"""RemoteOpenApi: where the OpenAPI v3 documents of extension API servers are, which are passed on as they are, and what of their documents
of version 2 is merged.

Asked for together with their discovery. A server that has none of a version adds nothing to it.

Upstream: kube-aggregator's openapiv3 and openapi aggregators.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256

import msgspec

from pilothouse.apiserver.aggregation.backends import Backends
from pilothouse.apiserver.aggregation.client import NoAnswer, ask
from pilothouse.apiserver.aggregation.extensions import Extension
from pilothouse.apiserver.openapi.merging import Spec, filtered
from pilothouse.kit.offload import in_background

PREFIX = "/openapi/v3/"
DOCUMENT_LIMIT_BYTES = 8 << 20
"""Of a document of version 2 that is merged."""


class _Reference(msgspec.Struct):
    serverRelativeURL: str = ""


class _Index(msgspec.Struct):
    paths: dict[str, _Reference] = {}


def _priority(extensions: Sequence[Extension]) -> tuple[int, int, str]:
    first = extensions[0]
    return -first.group_priority, -first.version_priority, first.path


def _specs_of(body: bytes, paths: Sequence[str]) -> tuple[Spec, ...]:
    """What a document says of the paths of each group and version; nothing where it is none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(filtered(document, path) for path in paths)


class RemoteOpenApi:
    """Locations of the OpenAPI v3 documents of extension API servers."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self.index: Mapping[str, str] = {}
        """URLs by the names of the index: `apis/metrics.k8s.io/v1beta1`."""
        self.specs: Sequence[Spec] = ()
        """What is merged into version 2, of the servers in the order of their priorities."""
        self.digest = ""
        """Changes with `specs`."""
        self.revision = 0
        """Another number after each change of `index`."""
        self._read: dict[str, tuple[Spec, ...]] = {}
        """By the digest of a document and the paths that are kept of it."""

    async def refresh(self, servers: Iterable[Sequence[Extension]]) -> None:
        """Ask each server (its extensions) for its index and its document of version 2, all side by side."""
        groups = sorted(servers, key=_priority)
        await self._refresh_specs(groups)
        answers = await asyncio.gather(*(self._urls(extensions[0]) for extensions in groups))
        made: dict[str, str] = {}
        for extensions, urls in zip(groups, answers, strict=True):
            names = [extension.path[1:] for extension in extensions]
            made |= {name: urls[name] for name in names if name in urls}
        if made != self.index:
            self.index = made
            self.revision += 1

    async def _refresh_specs(self, groups: Sequence[Sequence[Extension]]) -> None:
        bodies = await asyncio.gather(*(self._document(extensions[0]) for extensions in groups))
        known, self._read = self._read, {}
        for extensions, body in zip(groups, bodies, strict=True):
            if body:
                paths = [f"{extension.path}/" for extension in extensions]
                digest = sha256(body + "".join(paths).encode()).hexdigest()
                self._read[digest] = known[digest] if digest in known else await in_background(_specs_of, body, paths)
        self.specs = [spec for specs in self._read.values() for spec in specs]
        self.digest = "".join(self._read)

    async def _document(self, extension: Extension) -> bytes:
        """The document of version 2 of one server; nothing where it has none."""
        with suppress(NoAnswer):
            answer = await ask(self._backends, extension, "/openapi/v2", "application/json")
            if answer.code == 200 and len(answer.body) <= DOCUMENT_LIMIT_BYTES:
                return answer.body
        return b""

    async def _urls(self, extension: Extension) -> Mapping[str, str]:
        """The URLs of one server's index; none when it has no such index."""
        try:
            answer = await ask(self._backends, extension, "/openapi/v3", "application/json")
            index = msgspec.json.decode(answer.body, type=_Index) if answer.code == 200 else _Index()
        except (NoAnswer, msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return {
            name: reference.serverRelativeURL for name, reference in index.paths.items() if reference.serverRelativeURL.startswith(PREFIX)
        }
