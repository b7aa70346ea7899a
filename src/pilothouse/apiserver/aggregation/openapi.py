"""RemoteOpenApi: where the OpenAPI v3 documents of extension API servers are. The documents themselves are passed on as they are.

Asked for together with their discovery. A server without OpenAPI v3 has no documents; nothing of version 2 is merged.

Upstream: kube-aggregator's openapiv3 aggregator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pilothouse.apiserver.aggregation.backends import Backends
from pilothouse.apiserver.aggregation.client import NoAnswer, ask
from pilothouse.apiserver.aggregation.extensions import Extension

PREFIX = "/openapi/v3/"


class _Reference(msgspec.Struct):
    serverRelativeURL: str = ""


class _Index(msgspec.Struct):
    paths: dict[str, _Reference] = {}


class RemoteOpenApi:
    """See the module docstring."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self.index: Mapping[str, str] = {}
        """URLs by the names of the index: `apis/metrics.k8s.io/v1beta1`."""
        self.revision = 0
        """Another number after each change of `index`."""

    async def refresh(self, servers: Iterable[Sequence[Extension]]) -> None:
        """Ask each server (its extensions) for its index, all side by side."""
        groups = list(servers)
        answers = await asyncio.gather(*(self._urls(extensions[0]) for extensions in groups))
        made: dict[str, str] = {}
        for extensions, urls in zip(groups, answers, strict=True):
            names = [extension.path[1:] for extension in extensions]
            made |= {name: urls[name] for name in names if name in urls}
        if made != self.index:
            self.index = made
            self.revision += 1

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
