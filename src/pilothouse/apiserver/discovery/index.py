"""The discovery documents over HTTP: plain or aggregated, by what the client accepts; encoded once, with an ETag."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec

from pilothouse.apiserver.discovery.documents import Document, Documents
from pilothouse.apiserver.discovery.remote import RemoteVersion
from pilothouse.machinery.catalogue import Catalogue

AGGREGATED_VERSIONS = ("v2", "v2beta1")


class Encoded:
    """A document's bytes and ETag, made at first use."""

    def __init__(self, make: Callable[[], Document]) -> None:
        self._make = make
        self._bytes: bytes | None = None
        self._etag = ""

    @property
    def body(self) -> bytes:
        """The document as JSON, encoded on first use."""
        if self._bytes is None:
            self._bytes = msgspec.json.encode(self._make()) + b"\n"
            self._etag = f'"{hashlib.sha512(self._bytes).hexdigest().upper()}"'
        return self._bytes

    @property
    def etag(self) -> str:
        """ETag of the document: its SHA-512 in quotes, as upstream computes it."""
        assert self.body
        return self._etag


class Remote(Protocol):
    """Versions of extension API servers; `revision` changes with them."""

    revision: int

    @property
    def versions(self) -> Sequence[RemoteVersion]:
        """Group versions of extension API servers with the resources of each."""


class Discovery:
    """Discovery documents of the catalogue and of extension API servers, made again after each change."""

    def __init__(self, catalogue: Catalogue, server_address: Callable[[], str], remote: Remote | None = None) -> None:
        self._catalogue = catalogue
        self._server_address = server_address
        self._remote = remote
        self._revision = (-1, -1)
        self._plain: dict[str, Encoded] = {}
        self._aggregated: dict[tuple[str, str], Encoded] = {}

    def paths(self) -> tuple[str, ...]:
        """The paths of all documents."""
        self._follow()
        return tuple(self._plain)

    def plain(self, path: str) -> Encoded | None:
        """The plain document at a path."""
        self._follow()
        return self._plain.get(path)

    def aggregated(self, path: str, version: str) -> Encoded | None:
        """The aggregated document at a path, in one of AGGREGATED_VERSIONS."""
        self._follow()
        return self._aggregated.get((path, version))

    def _follow(self) -> None:
        revision = (self._catalogue.revision, self._remote.revision if self._remote is not None else 0)
        if self._revision == revision:
            return
        self._revision = revision
        documents = Documents(self._catalogue.resources(), self._remote.versions if self._remote is not None else ())
        self._plain = {path: Encoded(make) for path, make in _plain(documents, self._server_address).items()}
        self._aggregated = {
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
            if documents.is_remote(group, version):
                continue
            made[f"/apis/{group}/{version}"] = partial(documents.resource_list, group, version)
    return made
