from __future__ import annotations

import struct

import pytest

from pilothouse.node import netwatch


def message(type_: int, body: bytes = b"") -> bytes:
    return netwatch.HEADER.pack(netwatch.HEADER.size + len(body), type_, 0, 0, 0) + body + b"\0" * (-len(body) % 4)


def link(flags: int, change: int) -> bytes:
    return struct.pack("=BxHiII", 0, 1, 7, flags, change)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(message(netwatch.RTM_DELLINK), True, id="a link goes"),
        pytest.param(message(netwatch.RTM_DELADDR), True, id="an address goes"),
        pytest.param(message(netwatch.RTM_DELROUTE), True, id="a route goes"),
        pytest.param(message(netwatch.NFT_DELTABLE), True, id="a table goes"),
        pytest.param(message(netwatch.RTM_NEWLINK, link(0, 1)), True, id="a link is taken down"),
        pytest.param(message(netwatch.RTM_NEWLINK, link(1, 1)), False, id="a link comes up"),
        pytest.param(message(netwatch.RTM_NEWLINK, link(0, 0)), False, id="a link that was down changes"),
        pytest.param(message(24), False, id="a route comes"),
        pytest.param(message(24, b"12345") + message(netwatch.RTM_DELROUTE), True, id="the second of two"),
        pytest.param(b"\1\0\0\0" + bytes(20), False, id="nonsense"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_losses_are_told_from_gains(data: bytes, expected: bool) -> None:
    assert netwatch.announces_removal(data) is expected
