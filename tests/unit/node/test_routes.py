from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from pilothouse.node import routes

CANDIDATES = [IPv4Network("10.222.0.0/16"), IPv4Network("10.223.0.0/16")]


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        pytest.param([], CANDIDATES[0], id="the first when nothing is taken"),
        pytest.param([IPv4Network("10.222.7.0/24")], CANDIDATES[1], id="passes over a block of which a part is taken"),
        pytest.param([IPv4Network("10.0.0.0/8")], None, id="none when a wider route covers all"),
    ],
)
def test_chooses_a_block_that_nobody_uses(taken: list[IPv4Network], expected: IPv4Network | None) -> None:
    assert routes.first_free(CANDIDATES, taken) == expected


def test_default_routes_take_no_range() -> None:
    shown = [{"dst": "default"}, {"dst": "192.0.2.0/24"}, {"type": "local", "dst": "192.0.2.2"}]
    assert routes.ranges_of(shown) == [IPv4Network("192.0.2.0/24"), IPv4Network("192.0.2.2/32")]


def test_name_servers_are_taken() -> None:
    text = "# comment\nnameserver 10.222.0.53\nnameserver ::1\nsearch example.org\n"
    assert routes.resolvers([text]) == [IPv4Network("10.222.0.53/32")]


@pytest.mark.parametrize("line", ["nameserver fe80::1%eth0", "nameserver 10.0.0", "nameserver resolver.example", "nameserver"])
def test_a_name_server_that_is_no_ipv4_address_hinders_nothing(line: str) -> None:
    assert routes.resolvers([f"{line}\nnameserver 10.222.0.53\n"]) == [IPv4Network("10.222.0.53/32")]
