"""Addresses and prefixes as Go's net/netip."""

from __future__ import annotations

import pytest

from pilothouse.machinery import netip


@pytest.mark.parametrize(
    ("text", "written"),
    [
        *(("1.2.3.4", "1.2.3.4"), ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1")),
        *(("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("fe80::1%eth0", "fe80::1%eth0")),
        *(
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::1.2.3.4", "::102:304"),
            ("0:0:0:0:0:0:0:0", "::"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ),
    ],
)
def test_an_address_is_written_canonically(text: str, written: str) -> None:
    assert str(netip.parse_addr(text)) == written


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", 'ParseAddr(""): unable to parse IP'),
        ("1.2.3", 'ParseAddr("1.2.3"): IPv4 address too short'),
        ("01.2.3.4", 'ParseAddr("01.2.3.4"): IPv4 field has octet with leading zero'),
        ("1.2.3.256", 'ParseAddr("1.2.3.256"): IPv4 field has value >255'),
        ("1..2.3", 'ParseAddr("1..2.3"): IPv4 field must have at least one digit (at ".2.3")'),
        ("1::2::3", 'ParseAddr("1::2::3"): multiple :: in address (at ":3")'),
        ("12345::", 'ParseAddr("12345::"): each group must have 4 or less digits (at "12345::")'),
        ("fe80::1%", 'ParseAddr("fe80::1%"): zone must be a non-empty string'),
    ],
)
def test_what_is_no_address_is_said_in_gos_words(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match="ParseAddr") as raised:
        netip.parse_addr(text)
    assert str(raised.value) == fault


def test_prefixes_keep_their_host_bits_until_they_are_masked() -> None:
    prefix = netip.parse_prefix("10.1.2.3/8")
    assert (str(prefix), str(prefix.masked())) == ("10.1.2.3/8", "10.0.0.0/8")
    assert prefix.contains(netip.parse_addr("10.9.9.9"))
    assert not prefix.contains(netip.parse_addr("::ffff:10.9.9.9"))
    assert prefix.overlaps(netip.parse_prefix("0.0.0.0/0"))
    assert not prefix.overlaps(netip.parse_prefix("::/0"))


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/", "fe80::1%a/64", "x/8"])
def test_what_is_no_prefix(text: str) -> None:
    with pytest.raises(ValueError, match=r"netip\.ParsePrefix"):
        netip.parse_prefix(text)
