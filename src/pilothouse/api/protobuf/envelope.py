"""Envelope of an object's protobuf: the magic bytes with `runtime.Unknown`, and watch frames.

A watch is a row of frames, each of four bytes of length (big endian) and a `WatchEvent`, whose object has an envelope of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilothouse.api.protobuf.encoder import encode_message
from pilothouse.api.protobuf.values import FIRST, SECOND, text, write_text
from pilothouse.api.protobuf.wire import raw_fields, sized, varint
from pilothouse.kit.remember import remember

MAGIC = b"k8s\x00"
HEADS_REMEMBERED = 512
NO_ENCODING = b"\x1a\x00\x22\x00"
"""contentEncoding and contentType, which are empty and are written all the same."""


@remember(HEADS_REMEMBERED)
def head_of(api_version: str, kind: str) -> bytes:
    """Beginning of every object of a kind, up to the tag of its own bytes."""
    return MAGIC + FIRST + sized(FIRST + write_text(api_version) + SECOND + write_text(kind)) + SECOND


def enveloped(head: bytes, message: bytes) -> bytes:
    """A message in `runtime.Unknown`: the head (magic, kind), the message, no encoding."""
    return head + sized(message) + NO_ENCODING


def encode_list(api_version: str, kind: str, meta: Any, messages: Iterable[bytes]) -> bytes:
    """A list of objects that are encoded already: every list has its metadata as field 1, its items as field 2."""
    items = [part for message in messages for part in (SECOND, varint(len(message)), message)]
    return enveloped(head_of(api_version, kind), b"".join((FIRST, sized(encode_message(meta)), *items)))


def partial_metadata(metadata: Any) -> bytes:
    """The message of a PartialObjectMetadata: nothing but the metadata."""
    return FIRST + sized(encode_message(metadata))


def encode(obj: Any) -> bytes:
    """A struct with its apiVersion and kind, in an envelope. ValueError for a class that has no protobuf form."""
    group, version, kind = type(obj).GVK
    return enveloped(head_of(f"{group}/{version}" if group else version, kind), encode_message(obj))


def decode_envelope(data: bytes) -> tuple[str, str, bytes]:
    """apiVersion, kind and message of an envelope; ValueError in upstream's words when it is none."""
    if not data.startswith(MAGIC):
        raise ValueError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    if len(data) == len(MAGIC):
        raise ValueError("empty body")
    api_version = kind = ""
    message = b""
    for field, _, value in raw_fields(data, len(MAGIC)):
        if field == 1 and isinstance(value, bytes):
            for inner, _, part in raw_fields(value):
                if isinstance(part, bytes):
                    api_version, kind = (text(part), kind) if inner == 1 else (api_version, text(part) if inner == 2 else kind)
        elif field == 2 and isinstance(value, bytes):
            message = value
    return api_version, kind, message


def framed(type: str, encoded: bytes) -> bytes:
    """A watch event as a frame: `encoded` is the object in its envelope."""
    event = watch_event(type, encoded)
    return len(event).to_bytes(4, "big") + event


def watch_event(type: str, encoded: bytes) -> bytes:
    """A `WatchEvent` message with an enveloped object, without its length."""
    return FIRST + write_text(type) + SECOND + sized(FIRST + sized(encoded))
