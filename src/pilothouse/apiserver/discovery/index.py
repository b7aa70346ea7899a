"""The discovery documents over HTTP: plain or aggregated, by what the client accepts; encoded once, with an ETag."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from pilothouse.apiserver.discovery.documents import Document, Documents
from pilothouse.machinery.resource import Resource

AGGREGATED_VERSIONS = ("v2", "v2beta1")


class Encoded:
    """A document's bytes and ETag, made at first use."""

    def __init__(self, make: Callable[[], Document]) -> None:
        self._make = make
        self._bytes: bytes | None = None
        self._etag = ""

    @property
    def body(self) -> bytes:
        if self._bytes is None:
            self._bytes = msgspec.json.encode(self._make()) + b"\n"
            self._etag = f'"{hashlib.sha512(self._bytes).hexdigest().upper()}"'
        return self._bytes

    @property
    def etag(self) -> str:
        assert self.body
        return self._etag


class Discovery:
    """By path, the plain document; by path and version, the aggregated one."""

    def __init__(self, resources: tuple[Resource[Any], ...], server_address: Callable[[], str]) -> None:
        documents = Documents(resources)
        self.plain: Mapping[str, Encoded] = {path: Encoded(make) for path, make in _plain(documents, server_address).items()}
        self.aggregated: Mapping[tuple[str, str], Encoded] = {
            (path, version): Encoded(partial(documents.aggregated, core=path == "/api", api_version=version))
            for path in ("/api", "/apis")
            for version in AGGREGATED_VERSIONS
        }


def _plain(documents: Documents, server_address: Callable[[], str]) -> dict[str, Callable[[], Document]]:
    made: dict[str, Callable[[], Document]] = {
        "/api": lambda: documents.api_versions(server_address()),
        "/apis": documents.group_list,
    }
    for version in documents.versions(""):
        made[f"/api/{version}"] = partial(documents.resource_list, "", version)
    for group in documents.groups():
        made[f"/apis/{group}"] = partial(documents.group, group)
        for version in documents.versions(group):
            made[f"/apis/{group}/{version}"] = partial(documents.resource_list, group, version)
    return made
