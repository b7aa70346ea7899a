"""A committed object with its JSON, encoded once, and its protobuf, encoded on first use.

- The stored value has no resourceVersion: the store knows it only after the write. It is spliced into the bytes here, in its
  place in Go's order (behind metadata.uid), without decoding anything.
- What an older version stored in another order of fields is written anew when it is read.
- The struct is decoded at first use when it came from the store. Nobody may change it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.api.protobuf.encoder import encode_message
from pilothouse.apiserver.cache.sharing import share
from pilothouse.apiserver.cache.stored import object_of
from pilothouse.machinery import access
from pilothouse.machinery.codec import encode
from pilothouse.machinery.resource import Resource

IDENTITY = re.compile(rb'(?:"(?:name|generateName|namespace|selfLink|uid)":"[^"\\]*(?:\\.[^"\\]*)*",?)*')
"""The fields of ObjectMeta that stand before resourceVersion."""
LONGEST_VERSION = len(b'"resourceVersion":"",') + 20
UID = b'"uid":"'
UID_LENGTH = len(UID) + 36


def head_of(resource: Resource[Any]) -> bytes:
    """Beginning of the JSON of every object of a kind, up to the opening brace of its metadata."""
    return f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}","metadata":{{'.encode()


def with_resource_version(value: bytes, head: bytes, revision: int) -> bytes:
    """JSON of the object: the stored value with the resourceVersion inserted."""
    start = len(head)
    uid = value.find(UID, start)
    end = uid + UID_LENGTH
    if uid > 0 and value[end : end + 2] == b'",' and value.find(b"{", start, uid) < 0 and value.find(b"[", start, uid) < 0:
        return b'%b"resourceVersion":"%d",%b' % (value[: end + 2], revision, value[end + 2 :])
    place = IDENTITY.match(value, start).end()  # type: ignore[union-attr]
    before, rest = value[:place], value[place:]
    leading = b"" if before.endswith((b",", b"{")) else b","
    trailing = b"" if rest.startswith(b"}") else b","
    return b'%b%b"resourceVersion":"%d"%b%b' % (before, leading, revision, b"" if leading else trailing, rest)


def unspliced(encoded: bytes, revision: int) -> bytes:
    """Stored value of an object's JSON: without the resourceVersion."""
    field = b'"resourceVersion":"%d"' % revision
    before, _, rest = encoded.partition(field)
    if rest.startswith(b","):
        return before + rest[1:]
    return before.removesuffix(b",") + rest


def at_revision(obj: Any, revision: int) -> Any:
    """A copy of the object with another resourceVersion; all other parts are shared."""
    return access.with_parts(obj, metadata=msgspec.structs.replace(obj.metadata, resourceVersion=str(revision)))


class Entry:
    """One object at one revision. `since` is the revision that created it; `created` says that the answer is about a creation."""

    __slots__ = ("_object", "_protobuf", "_served", "encoded", "head", "key", "resource", "revision", "since")
    created = False
    is_rewritten = False
    """Whether the store has other bytes, which a write that changes nothing else brings up to date."""

    def __init__(self, resource: Resource[Any], key: str, head: bytes, encoded: bytes, revision: int, since: int, obj: Any = None) -> None:
        self.resource = resource
        self.key = key
        self.head = head
        self.encoded = encoded
        self.revision = revision
        self.since = since
        self._object = obj
        self._protobuf: bytes | None = None
        self._served: dict[Resource[Any], Entry] | None = None

    @classmethod
    def stored(cls, resource: Resource[Any], key: str, head: bytes, value: bytes, revision: int, since: int, obj: Any = None) -> Entry:
        """Entry of a stored value; `obj` is the struct that it was encoded from, if known."""
        if not value.startswith(head):
            with suppress(ValueError):  # what cannot be decoded spoils nothing else
                value = encode(object_of(resource, value))
        if obj is not None:
            obj.metadata.resourceVersion = str(revision)
        return cls(resource, key, head, with_resource_version(value, head, revision), revision, since, obj)

    @property
    def object(self) -> Any:
        """The object as a struct. Shared: do not change it."""
        if self._object is None:
            self._object = self.resource.decoder.decode(self.encoded)
            share(self._object, self.encoded)
        return self._object

    @property
    def protobuf(self) -> bytes:
        """The object's protobuf message without envelope; encoded at first use. ValueError for a kind without protobuf."""
        if self._protobuf is None:
            self._protobuf = encode_message(self.object)
        return self._protobuf

    @property
    def value(self) -> bytes:
        """The stored value: the JSON without resourceVersion."""
        return unspliced(self.encoded, self.revision)

    def is_stored_as(self, value: bytes) -> bool:
        """Whether the store has exactly these bytes."""
        if self.is_rewritten or not 22 <= len(self.encoded) - len(value) <= LONGEST_VERSION:
            return False
        return value == self.value

    @property
    def namespace(self) -> str:
        """Namespace of the object; empty when it is cluster-scoped."""
        return self.key.rsplit("/", 2)[1] if self.resource.namespaced else ""

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.key.rsplit("/", 1)[1]

    def with_revision(self, revision: int) -> Entry:
        """The same object at another revision: the last state of a deleted object."""
        obj = at_revision(self.object, revision)
        encoded = with_resource_version(self.value, self.head, revision)
        return Entry(self.resource, self.key, self.head, encoded, revision, self.since, obj)

    def in_version(self, resource: Resource[Any]) -> Entry:
        """This entry in another version of its kind; converted and encoded once."""
        if resource is self.resource or resource.from_stored is None:
            return self
        if self._served is None:
            self._served = {}
        if resource not in self._served:
            obj = resource.from_stored(self.object)
            self._served[resource] = ServedEntry(self, resource, obj)
        return self._served[resource]

    def is_served(self, resource: Resource[Any]) -> bool:
        """Whether the entry is available in a version without a conversion webhook."""
        return resource is self.resource or resource.from_stored is None or (self._served is not None and resource in self._served)

    def remember(self, resource: Resource[Any], obj: Any) -> None:
        """Store the object in another version, as a conversion webhook returned it."""
        self._served = {**(self._served or {}), resource: ServedEntry(self, resource, obj)}

    @property
    def origin(self) -> Entry:
        """The entry in its storage version."""
        return self


class RewrittenEntry(Entry):
    """Entry of a value that was stored in another version, or under another schema."""

    __slots__ = ()
    is_rewritten = True


class ServedEntry(Entry):
    """Entry in another version than the storage version."""

    __slots__ = ("_origin",)

    def __init__(self, origin: Entry, resource: Resource[Any], obj: Any) -> None:
        super().__init__(resource, origin.key, head_of(resource), encode(obj), origin.revision, origin.since, obj)
        self._origin = origin

    @property
    def origin(self) -> Entry:
        """The entry in its storage version."""
        return self._origin


class CreatedEntry(Entry):
    """Entry of an object that an update or apply has created: answered with 201."""

    __slots__ = ()
    created = True

    @classmethod
    def of(cls, entry: Entry) -> CreatedEntry:
        """The same entry, answered with 201."""
        return cls(entry.resource, entry.key, entry.head, entry.encoded, entry.revision, entry.since, entry.object)


@dataclass(slots=True)
class EntryList:
    """One page of a list: entries in the order of their keys, as of `revision`."""

    resource: Resource[Any]
    entries: list[Entry]
    revision: int
    continue_: str = ""
    remaining: int | None = None
