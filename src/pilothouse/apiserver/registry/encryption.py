"""Encryption at rest of the objects of a catalogue: which key of the store is of which resource."""

from __future__ import annotations

from typing import Any

from pilothouse.api.catalogue import built_in
from pilothouse.apiserver.cache.caches import ROOT, prefix_of
from pilothouse.apiserver.storage.encryption.effective import Encryption
from pilothouse.apiserver.storage.encryption.storage import EncryptedStorage
from pilothouse.apiserver.storage.encryption.transformers import GroupResource
from pilothouse.apiserver.storage.interface import Storage
from pilothouse.machinery.resource import Resource


def place_of(resource: Resource[Any]) -> str:
    """The part of a key that names a resource: `secrets`, `services/specs`."""
    return prefix_of(resource).removeprefix(ROOT).rstrip("/")


def encrypted(storage: Storage, encryption: Encryption, prefix: str = "/registry") -> EncryptedStorage:
    """The store, with the values of all kinds transformed as `encryption` says. Events of both groups are `events`, as upstream."""
    places: dict[str, GroupResource] = {}
    for resource in sorted(built_in().stored(), key=lambda each: each.group):
        places.setdefault(place_of(resource), GroupResource(resource.plural, resource.group))
    return EncryptedStorage(storage, encryption, places, "/" + prefix.strip("/"))
