"""Seeds: objects that every cluster has from its start, written in one commit.

- `Seed.of` makes an object as a create would: defaults, the record of fields, the strategy's preparation. It is the server's own, from
  a table of this program: nothing is left to admit or to validate. Its JSON lacks only a uid and the time, and may be kept.
- `seed` fills these in and writes the objects that are missing; what is there stays. The watch caches take the bytes, which are
  decoded when somebody asks for the object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pilothouse import API_LEVEL
from pilothouse.api.catalogue import resource_of
from pilothouse.apiserver.registry import managers, strategy
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import time
from pilothouse.machinery.codec import at_level, decoder_of, encode
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.patch import manager as record
from pilothouse.machinery.patch.manager import APPLY, Manager

UID = "00000000-0000-0000-0000-000000000000"
TIME = "0001-01-01T00:00:00Z"
"""What a seed says in place of its uid, and of the time at which it is written."""
UID_BYTES, TIME_BYTES = UID.encode(), TIME.encode()


@dataclass(frozen=True, slots=True)
class Seed:
    """One object: kind, namespace, name, and JSON with the placeholders UID and TIME."""

    kind: type[Any]
    namespace: str
    name: str
    value: bytes

    @classmethod
    def of(cls, obj: Any, *owners: ManagedFieldsEntry, manager: str = "") -> Seed:
        """The seed of an object of a built-in kind, which is changed on the way; its status stays, and what happens now happens at TIME.

        `owners` say who owns parts of it at TIME; the rest is owned by `manager`, or by the server.
        """
        resource, meta = resource_of(type(obj)), obj.metadata
        for hook in resource.defaults:
            hook(obj)
        status = getattr(obj, "status", None)
        meta.managedFields = [*owners, *managers.of_seed(resource, obj, manager, TIME)]
        meta.creationTimestamp, meta.uid = TIME, UID
        strategy.prepare_create(resource, obj)
        if status is not None:
            obj.status = status
        return cls(type(obj), meta.namespace, meta.name, encode(obj))

    def bytes_at(self, level: str) -> bytes:
        """The JSON without fields that are newer than an API level."""
        return self.value if level == API_LEVEL else encode(at_level(decoder_of(self.kind).decode(self.value), level))


def applied_status(kind: type[Any], fields: bytes, manager: str) -> ManagedFieldsEntry:
    """managedFields entry for a status applied at TIME, for `Seed.of`."""
    api_version = resource_of(kind).api_version
    return record.entry(Manager(manager, APPLY, subresource="status"), api_version, fields, TIME)


async def seed(store: RegistryStore, seeds: Iterable[Seed]) -> None:
    """Create the missing objects, and wait until the caches show them. Raises StatusError when the store cannot be written."""
    now, values = time.now_text(store.clock).encode(), {}
    entropy = Entropy(store.entropy.random.getrandbits(64))  # of its own: how many seeds there are changes no name that is drawn later
    for each in seeds:
        cache = await store.caches.of(store.catalogue.of(each.kind))
        key = cache.key(each.namespace, each.name)
        if cache.get(each.namespace, each.name) is None and key not in cache.corrupt:
            uid = entropy.uid().encode()
            values[key] = each.bytes_at(store.catalogue.level).replace(UID_BYTES, uid).replace(TIME_BYTES, now)
            cache.remember_written(key, values[key])
    if values:
        await store.create(values)
