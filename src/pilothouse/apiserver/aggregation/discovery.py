"""RemoteDiscovery: what extension API servers serve, asked for when an APIService changes and every REFRESH_SECONDS.

- One that does not answer keeps what it last said, marked as stale; one that never answered is there without resources.
- All are asked side by side. A server of several versions is asked once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from pilothouse.apiserver.aggregation.backends import Backends
from pilothouse.apiserver.aggregation.client import Document, NoAnswer, ask
from pilothouse.apiserver.aggregation.extensions import Extension, Extensions
from pilothouse.apiserver.aggregation.openapi import RemoteOpenApi
from pilothouse.apiserver.discovery.remote import RemoteVersion, Resources, read_aggregated, read_legacy
from pilothouse.kit.clock import Clock, wait_for

log = logging.getLogger(__name__)

REFRESH_SECONDS = 60.0
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
Key = tuple[str, str]


class RemoteDiscovery:
    """Discovery documents of extension API servers, fetched when an APIService changes and at regular intervals."""

    def __init__(self, extensions: Extensions, backends: Backends, clock: Clock) -> None:
        self.revision = 0
        """Another number after each change of `versions`."""
        self._extensions = extensions
        self._backends = backends
        self._clock = clock
        self._versions: dict[Key, RemoteVersion] = {}
        self.openapi = RemoteOpenApi(backends)
        self.asked = asyncio.Event()
        """Set when those of the store have been asked once."""
        self._changed = asyncio.Event()
        extensions.subscribe(self._note)

    @property
    def versions(self) -> Sequence[RemoteVersion]:
        """Known versions of all extension API servers."""
        return tuple(self._versions.values())

    async def run(self) -> None:
        """Ask whenever there is something to ask for, until cancelled."""
        await self._extensions.synced.wait()
        while True:
            await self._refresh()
            self.asked.set()
            if not self._extensions.all():
                await self._changed.wait()
            else:
                with suppress(TimeoutError):
                    await wait_for(self._clock, self._changed.wait(), REFRESH_SECONDS)
            self._changed.clear()

    def _note(self) -> None:
        """An APIService came, changed or went: its group is there at once, its resources as soon as they are known."""
        extensions = self._extensions.all()
        self._put({key: self._known(extension) for key, extension in extensions.items()})
        self._changed.set()

    def _known(self, extension: Extension) -> RemoteVersion:
        known = self._versions.get((extension.group, extension.version))
        resources, is_fresh = (known.resources, known.is_fresh) if known is not None else ((), False)
        return made(extension, resources, is_fresh=is_fresh)

    def _put(self, versions: dict[Key, RemoteVersion]) -> None:
        if versions != self._versions:
            self._versions = versions
            self.revision += 1

    async def _refresh(self) -> None:
        extensions = dict(self._extensions.all())
        servers: dict[tuple[str, str, int], list[Extension]] = {}
        for extension in extensions.values():
            servers.setdefault((extension.namespace, extension.service, extension.port), []).append(extension)
        answers = await asyncio.gather(*(self._asked(group) for group in servers.values()))
        await self.openapi.refresh(servers.values())
        versions: dict[Key, RemoteVersion] = {key: version for answer in answers for key, version in answer.items()}
        self._put(
            {
                key: versions[key] if key in versions and extensions.get(key) == now else self._known(now)
                for key, now in self._extensions.all().items()
            }
        )

    async def _asked(self, extensions: Sequence[Extension]) -> Mapping[Key, RemoteVersion]:
        """The versions that one server has."""
        whole = await self._aggregated(extensions[0])
        result: dict[Key, RemoteVersion] = {}
        for extension in extensions:
            key = (extension.group, extension.version)
            try:
                resources = whole.get(key, ()) if whole is not None else await self._legacy(extension)
                result[key] = made(extension, resources, is_fresh=True)
            except NoAnswer as problem:
                log.info("an extension API server does not answer", extra={"path": extension.path, "problem": str(problem)})
                result[key] = made(extension, self._known(extension).resources, is_fresh=False)
        return result

    async def _aggregated(self, extension: Extension) -> Mapping[Key, Resources] | None:
        """Its aggregated discovery; None when it has none, or does not answer."""
        with suppress(NoAnswer, msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError):
            answer = await ask(self._backends, extension, "/apis", V2)
            if answer.code == 200 and is_aggregated(answer):
                return read_aggregated(answer.body)
        return None

    async def _legacy(self, extension: Extension) -> Resources:
        answer = await ask(self._backends, extension, extension.path, "application/json")
        if answer.code != 200:
            raise NoAnswer(f"status {answer.code}")
        try:
            return read_legacy(answer.body, extension.group, extension.version)
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NoAnswer(f"no APIResourceList: {error}") from error


def made(extension: Extension, resources: Resources, *, is_fresh: bool) -> RemoteVersion:
    """The version of an extension with these resources."""
    return RemoteVersion(
        extension.group, extension.version, extension.group_priority, extension.version_priority, tuple(resources), is_fresh
    )


def is_aggregated(answer: Document) -> bool:
    """Whether the answer says that it is apidiscovery.k8s.io/v2."""
    parameters = {part.strip() for part in answer.content_type.split(";")[1:]}
    return {"g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"} <= parameters
