"""Where a proxy may dial: by address, in every notation."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from pilothouse.client import dialing


@pytest.mark.parametrize(
    "text",
    ["10.0.0.1", "192.168.1.1", "8.8.8.8", "010.000.000.001", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"],
)
def test_global_unicast_addresses_are_proxyable(text: str) -> None:
    assert dialing.check(dialing.parse_address(text))


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "239.1.1.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "febf::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "0:0:0:0:0:ffff:7f00:1"),
        *("64:ff9b::169.254.169.254", "2002:7f00:1::", "::127.0.0.1", "127.000.000.001", "fe80::1%eth0", "", "::ffff:0:127.0.0.1%1"),
        *("2130706433", "0x7f000001", "017700000001", "127.1", "localhost", "\u0661\u0662\u0667.0.0.1", "1" * 5000),
    ],
)
def test_others_are_not(text: str) -> None:
    with pytest.raises(dialing.NotAllowed, match="address not allowed"):
        dialing.check(dialing.parse_address(text))


def test_leading_zeros_are_not_octal() -> None:
    assert dialing.parse_address("010.0.0.1") == ip_address("10.0.0.1")


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f000001", "127.1", "::ffff:127.0.0.1"])
async def test_a_name_is_judged_by_what_it_resolves_to(host: str) -> None:
    with pytest.raises(dialing.NotAllowed, match=r"address not allowed|no such host"):
        await dialing.resolve(host)


@pytest.mark.parametrize("host", ["", "a" * 300, "\u2024", "a\0b", "no.such.host.invalid"])
async def test_what_is_no_host_is_not_allowed(host: str) -> None:
    with pytest.raises(dialing.NotAllowed):
        await dialing.resolve(host)


async def test_networks_may_be_added() -> None:
    assert await dialing.resolve("localhost", (ip_network("127.0.0.0/8"), ip_network("::1/128"))) == ip_address("127.0.0.1")
