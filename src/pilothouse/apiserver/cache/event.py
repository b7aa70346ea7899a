"""Change of one object for watchers; its JSON is encoded once for all of them."""

from __future__ import annotations

from typing import Any

from pilothouse.api.protobuf import envelope
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.machinery.codec import encode
from pilothouse.machinery.resource import Resource

ADDED, MODIFIED, DELETED, BOOKMARK = "ADDED", "MODIFIED", "DELETED", "BOOKMARK"
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class CacheEvent:
    """Change of one object. `entry` is the object after it; for a delete its last state at the revision of the delete.

    The forms that a selector needs (`entering`, `leaving`) and other versions (`served`) are made once and shared, too.
    """

    __slots__ = ("_entering", "_frame", "_leaving", "_line", "_served", "entry", "previous", "revision", "type")

    def __init__(self, type: str, entry: Entry, previous: Entry | None, revision: int) -> None:
        self.type = type
        self.entry = entry
        self.previous = previous
        self.revision = revision
        self._line: bytes | None = None
        self._frame: bytes | None = None
        self._entering: CacheEvent | None = None
        self._leaving: CacheEvent | None = None
        self._served: dict[Resource[Any], CacheEvent] | None = None

    @property
    def encoded(self) -> bytes:
        """The event as a line of a watch stream."""
        if self._line is None:
            self._line = b'{"type":"%b","object":%b}\n' % (self.type.encode(), self.entry.encoded)
        return self._line

    @property
    def chunk(self) -> bytes:
        """The line as a chunk of an HTTP body. Only the last one is kept, since watchers are written one after another."""
        if Chunk.of is not self:
            line = self.encoded
            Chunk.of, Chunk.data = self, b"%x\r\n%b\r\n" % (len(line), line)
        return Chunk.data

    @property
    def frame(self) -> bytes:
        """The event as a frame of a watch stream in protobuf."""
        if self._frame is None:
            resource = self.entry.resource
            head = envelope.head_of(resource.api_version, resource.kind)
            self._frame = envelope.framed(self.type, envelope.enveloped(head, self.entry.protobuf))
        return self._frame

    @property
    def frame_chunk(self) -> bytes:
        """That frame as a chunk of an HTTP body; only the last one is remembered, as of `chunk`."""
        if FrameChunk.of is not self:
            frame = self.frame
            FrameChunk.of, FrameChunk.data = self, b"%x\r\n%b\r\n" % (len(frame), frame)
        return FrameChunk.data

    @property
    def entering(self) -> CacheEvent:
        """This change as ADDED, for a watcher whose selector the object begins to match."""
        if self._entering is None:
            self._entering = CacheEvent(ADDED, self.entry, None, self.revision)
        return self._entering

    @property
    def leaving(self) -> CacheEvent:
        """This change as DELETED, for a watcher whose selector the object no longer matches."""
        if self._leaving is None:
            assert self.previous is not None
            self._leaving = CacheEvent(DELETED, self.previous.with_revision(self.revision), self.previous, self.revision)
        return self._leaving

    def in_version(self, resource: Resource[Any]) -> CacheEvent:
        """This change in another version of the kind."""
        if resource is self.entry.resource or resource.from_stored is None:
            return self
        if self._served is None:
            self._served = {}
        if resource not in self._served:
            self._served[resource] = CacheEvent(self.type, self.entry.in_version(resource), None, self.revision)
        return self._served[resource]


class Chunk:
    """Cache of the last encoded chunk."""

    of: CacheEvent | None = None
    data = b""


class FrameChunk:
    """Cache of the last encoded protobuf chunk."""

    of: CacheEvent | None = None
    data = b""


def bookmark(resource: Resource[Any], head: bytes, revision: int, *, initial_end: bool = False) -> CacheEvent:
    """BOOKMARK event: an empty object with the revision up to which the watcher has seen everything."""
    obj = resource.type()
    obj.metadata.resourceVersion = str(revision)
    if initial_end:
        obj.metadata.annotations = {INITIAL_EVENTS_END: "true"}
    if resource.empty is not None:
        resource.empty(obj)
    encoded = encode(obj).replace(b":[]", b":null")  # a list that nobody has made is null in Go
    return CacheEvent(BOOKMARK, Entry(resource, "//", head, encoded, revision, revision, obj), None, revision)
