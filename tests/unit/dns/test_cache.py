"""What is remembered of upstream's answers; dnspython writes the messages."""

from __future__ import annotations

from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from pilothouse.dns.cache import ANSWER_BYTES, LONGEST_SECONDS, AnswerCache
from pilothouse.dns.wire import read_query
from pilothouse.kit.virtual_clock import VirtualClock

SOA = "ns.example. root.example. 1 7200 1800 86400"


def asked(name: str = "www.example.com.", type_: str = "A", **options: Any) -> bytes:
    return dns.message.make_query(name, type_, **options).to_wire()


def answered(
    message: bytes, *answers: str, soa: tuple[int, int] | None = None, code: dns.rcode.Rcode = dns.rcode.NOERROR, flags: int = 0
) -> bytes:
    """`answers` are `name ttl type data`; `soa` is (its ttl, its minimum)."""
    answer = dns.message.make_response(dns.message.from_wire(message), recursion_available=True)
    answer.set_rcode(code)
    answer.flags |= flags
    for line in answers:
        name, ttl, type_, data = line.split(" ", 3)
        answer.answer.append(dns.rrset.from_text(name, int(ttl), "IN", type_, data))
    if soa is not None:
        answer.authority.append(dns.rrset.from_text("example.com.", soa[0], "IN", "SOA", f"{SOA} {soa[1]}"))
    return answer.to_wire(max_size=65535)


class Resolver:
    """A cache and its clock."""

    def __init__(self, limit: int = 100) -> None:
        self.clock = VirtualClock()
        self.cache = AnswerCache(self.clock, limit)

    def find(self, message: bytes, stream: bool = False) -> dns.message.Message | None:
        found = self.cache.find(message, read_query(message), stream)
        return dns.message.from_wire(found) if found is not None else None

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)


A300 = "www.example.com. 300 A 192.0.2.1"


@pytest.mark.parametrize(
    ("answers", "options", "seconds"),
    [
        pytest.param((A300,), {}, LONGEST_SECONDS, id="no longer than half a minute"),
        pytest.param(("www.example.com. 7 A 192.0.2.1",), {}, 7, id="as long as its record"),
        pytest.param(("www.example.com. 9 CNAME b.example.com.", "b.example.com. 4 A 192.0.2.1"), {}, 4, id="as its shortest record"),
        pytest.param(("www.example.com. 0 A 192.0.2.1",), {}, 0, id="a record for this once alone"),
        pytest.param((), {"soa": (60, 6), "code": dns.rcode.NXDOMAIN}, 6, id="a denial for as long as the zone says"),
        pytest.param((), {"soa": (5, 60)}, 5, id="a denial of the type, as long as its SOA"),
        pytest.param(("www.example.com. 20 CNAME b.example.com.",), {"soa": (8, 8), "code": dns.rcode.NXDOMAIN}, 8, id="an alias"),
        pytest.param((), {"code": dns.rcode.NXDOMAIN}, 0, id="a denial without a word how long"),
        pytest.param((), {"code": dns.rcode.SERVFAIL}, 0, id="a failure"),
        pytest.param((A300,), {"code": dns.rcode.REFUSED}, 0, id="a refusal"),
        pytest.param((A300,), {"flags": dns.flags.TC}, 0, id="a part of an answer"),
    ],
)
async def test_an_answer_is_kept_for_as_long_as_it_may_be(answers: tuple[str, ...], options: dict[str, Any], seconds: int) -> None:
    resolver, message = Resolver(), asked()
    resolver.cache.keep(message, answered(message, *answers, **options))
    assert (resolver.find(asked()) is not None) is (seconds > 0)
    await resolver.advance(seconds - 0.5 if seconds else 0)
    assert (resolver.find(asked()) is not None) is (seconds > 0)
    await resolver.advance(0.5)
    assert resolver.find(asked()) is None


async def test_who_asks_later_is_told_what_is_left_under_his_own_words() -> None:
    resolver, message = Resolver(), asked()
    resolver.cache.keep(message, answered(message, "www.example.com. 300 A 192.0.2.1", flags=dns.flags.AA))
    await resolver.advance(20.7)
    question = asked("WWW.Example.com.")
    found = resolver.find(question)
    assert found is not None
    assert found.id == dns.message.from_wire(question).id
    assert question[12:29] == found.to_wire()[12:29], "the question as he spelled it"
    assert [(rrset.ttl, str(rrset[0])) for rrset in found.answer] == [(280, "192.0.2.1")]
    assert not found.flags & dns.flags.AA


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(asked(type_="AAAA"), id="another type"),
        pytest.param(asked("example.com."), id="another name"),
        pytest.param(asked(use_edns=0), id="with EDNS"),
        pytest.param(asked(want_dnssec=True), id="with signatures"),
        pytest.param(asked(flags=0), id="without recursion"),
    ],
)
def test_an_answer_is_for_the_same_question_only(other: bytes) -> None:
    resolver, message = Resolver(), asked()
    resolver.cache.keep(message, answered(message, A300))
    assert resolver.find(message)
    assert resolver.find(other) is None


def test_an_answer_for_a_client_with_a_cookie_is_his_alone() -> None:
    resolver = Resolver()
    message = asked(use_edns=0, options=[dns.edns.GenericOption(10, b"12345678")])
    resolver.cache.keep(message, answered(message, A300))
    assert resolver.find(message) is None


def test_what_came_over_a_stream_is_told_over_udp_only_where_it_fits() -> None:
    resolver, message = Resolver(), asked()
    many = answered(message, *(f"www.example.com. 60 A 192.0.2.{number}" for number in range(60)))
    assert 512 < len(many) < ANSWER_BYTES
    resolver.cache.keep(message, many)
    assert resolver.find(message) is None
    assert resolver.find(message, stream=True)


def test_the_oldest_goes_when_there_are_too_many() -> None:
    resolver = Resolver(limit=2)
    for name in ("a.example.", "b.example.", "a.example.", "c.example."):
        resolver.cache.keep(asked(name), answered(asked(name), f"{name} 60 A 192.0.2.1"))
    assert [bool(resolver.find(asked(name))) for name in ("a.example.", "b.example.", "c.example.")] == [True, False, True]


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_a_broken_answer_is_not_kept(cut: int) -> None:
    resolver, message = Resolver(), asked()
    whole = answered(message, A300)
    resolver.cache.keep(message, whole[: min(cut, len(whole) - 1)])
    assert resolver.find(message) is None


def test_a_large_answer_is_not_kept() -> None:
    resolver, message = Resolver(), asked(type_="TXT")
    texts = (f"www.example.com. 60 TXT {number}{'x' * 200}" for number in range(30))
    resolver.cache.keep(message, answered(message, *texts))
    assert resolver.find(message, stream=True) is None
