"""Events as containerd sends them, put together by hand."""

from __future__ import annotations

import pytest

from pilothouse.kubelet.runtime import cri_events
from pilothouse.kubelet.runtime.cri_events import Notice
from pilothouse.kubelet.runtime.port import EventType


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def envelope(topic: str, body: bytes) -> bytes:
    moment = field(1, 1_700_000_000) + field(2, 500_000_000)
    return field(1, moment) + field(2, "k8s.io") + field(3, topic) + field(4, field(1, "type.example/Any") + field(2, body))


@pytest.mark.parametrize(
    ("topic", "body", "expected"),
    [
        pytest.param("/tasks/start", field(1, "c1") + field(2, 4711), EventType.CONTAINER_STARTED, id="start"),
        pytest.param("/tasks/exit", field(1, "c1") + field(2, "c1") + field(4, 137), EventType.CONTAINER_STOPPED, id="exit"),
        pytest.param("/tasks/exit", field(1, "c1") + field(2, "exec-1"), None, id="the end of an exec is not the container's"),
        pytest.param("/tasks/oom", field(1, "c1"), EventType.CONTAINER_OOM, id="out of memory"),
        pytest.param("/containers/delete", field(1, "c1"), EventType.CONTAINER_DELETED, id="delete"),
        pytest.param("/images/create", field(1, "c1"), None, id="of no interest"),
    ],
)
def test_reads_what_containerd_tells(topic: str, body: bytes, expected: EventType | None) -> None:
    wanted = None if expected is None else Notice(expected, "c1", 1_700_000_000.5)
    assert cri_events.notice(envelope(topic, body)) == wanted


@pytest.mark.parametrize("cut", range(0, 40, 7))
def test_a_cut_message_is_no_reason_to_fall(cut: int) -> None:
    cri_events.notice(envelope("/tasks/start", field(1, "c1"))[:cut])


def test_asks_for_what_it_reads() -> None:
    request = cri_events.subscribe_request(("a" * 200,))
    assert request == field(1, "a" * 200)
