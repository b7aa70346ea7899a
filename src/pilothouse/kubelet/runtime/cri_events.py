"""Events of containerd's events service, decoded without generated code.

CRI's own GetContainerEvents is not in containerd 1.6. An envelope is {1: time, 2: namespace, 3: topic, 4: {1: type, 2: body}};
of the bodies only the ids are read. Pure: bytes in, values out; the stream is cri.py's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pilothouse.api.protobuf.wire import raw_fields, sized
from pilothouse.kubelet.runtime.port import EventType

SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"

FILTERS = (
    'namespace==k8s.io,topic~="^/tasks/(start|exit|oom)$"',
    'namespace==k8s.io,topic=="/containers/delete"',
)

TOPICS = {
    "/tasks/start": EventType.CONTAINER_STARTED,
    "/tasks/exit": EventType.CONTAINER_STOPPED,
    "/tasks/oom": EventType.CONTAINER_OOM,
    "/containers/delete": EventType.CONTAINER_DELETED,
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A container event as containerd publishes it; `at` in seconds since the epoch."""

    type: EventType
    container_id: str
    at: float


def subscribe_request(filters: tuple[str, ...] = FILTERS) -> bytes:
    """SubscribeRequest{repeated string filters = 1}."""
    return b"".join(b"\x0a" + sized(text.encode()) for text in filters)


def notice(envelope: bytes) -> Notice | None:
    """A container event; None for other topics, and for the exit of an exec process."""
    outer = _fields(envelope)
    kind = TOPICS.get(_text(outer.get(3)))
    if kind is None:
        return None
    body = _fields(_bytes(_fields(_bytes(outer.get(4))).get(2)))
    container_id = _text(body.get(1))
    if kind is EventType.CONTAINER_STOPPED and _text(body.get(2)) != container_id:
        return None
    moment = _fields(_bytes(outer.get(1)))
    return Notice(kind, container_id, _number(moment.get(1)) + _number(moment.get(2)) / 1e9)


def _fields(message: bytes) -> dict[int, bytes | int]:
    """The last value of each field; a message that breaks off is read as far as it goes."""
    values: dict[int, bytes | int] = {}
    with suppress(ValueError):
        values.update((number, value) for number, _, value in raw_fields(message))
    return values


def _bytes(value: bytes | int | None) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: bytes | int | None) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _number(value: bytes | int | None) -> int:
    return value if isinstance(value, int) else 0
