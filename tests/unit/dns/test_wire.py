"""The codec against dnspython, and against what no honest client sends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import cache

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.dns.records_of import records_of
from pilothouse.dns.server import DnsServer
from pilothouse.dns.wire import (
    AAAA,
    CNAME,
    HEADER,
    A,
    Answer,
    MalformedMessage,
    Record,
    address_record,
    read_query,
    soa_record,
    srv_record,
    txt_record,
    write_answer,
)
from pilothouse.kit.virtual_clock import VirtualClock
from tests.unit.scheduler.fake_api import FakeApi

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_ABC", min_size=1, max_size=20)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)


@cache
def server() -> DnsServer:
    made = DnsServer(FakeApi().client, [("127.0.0.1", 0)], clock=VirtualClock())
    made.synced.set()
    return made


@given(NAME, st.sampled_from(["A", "AAAA", "SRV", "TXT", "ANY"]), st.one_of(st.none(), st.integers(0, 8192)))
def test_reads_what_dnspython_writes(name: str, type: str, payload: int | None) -> None:
    options = {} if payload is None else {"use_edns": 0, "payload": payload}
    message = dns.message.make_query(name, type, **options)  # type: ignore[arg-type]
    query = read_query(message.to_wire())
    assert (query.name, query.type, query.id) == (name.lower(), int(message.question[0].rdtype), message.id)
    assert query.udp_bytes == (0 if payload is None else max(payload, 512))


@given(NAME, st.lists(st.tuples(NAME, st.integers(0, 4)), max_size=12), st.integers(512, 4096))
def test_writes_what_dnspython_reads(name: str, drawn: list[tuple[str, int]], limit: int) -> None:
    asked = dns.message.make_query(name, "A", use_edns=0)
    makers = (
        lambda owner: address_record(owner, "10.0.0.1", 5),
        lambda owner: address_record(owner, "fd00::1", 5),
        lambda owner: Record(owner, CNAME, 5, target=name.lower()),
        lambda owner: srv_record(owner, name.lower(), 80, 100, 5),
        lambda owner: txt_record(owner, "text", 5),
    )
    records = [makers[which](owner.lower()) for owner, which in drawn]
    answer = Answer(answers=records, authority=[soa_record("cluster.local", 1, 5)])
    raw = write_answer(read_query(asked.to_wire()), answer, limit)
    assert len(raw) <= limit
    read = dns.message.from_wire(raw, one_rr_per_rrset=True)
    assert read.question == asked.question
    if not read.flags & dns.flags.TC:
        assert [rrset.name.to_text(omit_final_dot=True).lower() for rrset in read.answer] == [record.name for record in records]
        assert read.id == asked.id


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_message_breaks_the_server(message: bytes) -> None:
    server().answer_at_once(message, False)


@settings(deadline=None)
@given(NAME, st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_damaged_message_breaks_the_server(name: str, damage: list[tuple[int, int]]) -> None:
    raw = bytearray(dns.message.make_query(name, "SRV", use_edns=0).to_wire())
    for place, value in damage:
        raw[place % len(raw)] = value
    server().answer_at_once(bytes(raw), False)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param(b"", None, id="nothing"),
        pytest.param(HEADER.pack(7, 0, 0, 0, 0, 0), 1, id="no question"),
        pytest.param(HEADER.pack(7, 0, 2, 0, 0, 0), 1, id="two questions"),
        pytest.param(HEADER.pack(7, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", 1, id="a name that points at itself"),
        pytest.param(HEADER.pack(7, 0, 1, 0, 0, 0) + b"\x05ab", 1, id="a name that is cut off"),
        pytest.param(HEADER.pack(7, 0x8000, 1, 0, 0, 0) + b"\1a\0\0\1\0\1", None, id="an answer"),
        pytest.param(HEADER.pack(7, 0x2000, 1, 0, 0, 0) + b"\1a\0\0\1\0\1", 4, id="another opcode"),
        pytest.param(HEADER.pack(7, 0, 1, 0, 0, 0) + b"\1a\0\0\1\0\3", 5, id="another class"),
    ],
)
def test_answers_to_odd_messages(message: bytes, code: int | None) -> None:
    answer = server().answer_at_once(message, False)
    assert (None if answer is None else answer[3] & 0xF) == code  # type: ignore[index]


def test_reads_the_records_of_another_servers_answer() -> None:
    asked = dns.message.make_query("a.example.com", "A")
    answer = dns.message.make_response(asked)
    answer.answer.append(dns.rrset.from_text("a.example.com.", 60, "IN", "CNAME", "b.example.com."))
    answer.answer.append(dns.rrset.from_text("b.example.com.", 30, "IN", "A", "192.0.2.1"))
    answer.answer.append(dns.rrset.from_text("b.example.com.", 30, "IN", "AAAA", "2001:db8::1"))
    found = records_of(answer.to_wire())
    assert [(one.name, one.type, one.ttl, one.target) for one in found] == [
        ("a.example.com", CNAME, 60, "b.example.com"),
        ("b.example.com", A, 30, ""),
        ("b.example.com", AAAA, 30, ""),
    ]


@given(st.binary(max_size=200))
def test_an_upstreams_nonsense_is_malformed_and_nothing_else(message: bytes) -> None:
    with suppress(MalformedMessage):
        records_of(message)


async def test_before_the_caches_are_complete_clients_are_asked_to_try_again() -> None:
    made = DnsServer(FakeApi().client, [("127.0.0.1", 0)], clock=VirtualClock())
    asked = dns.message.make_query("hello.default.svc.cluster.local", "A")
    answer = made.answer_at_once(asked.to_wire(), False)
    assert isinstance(answer, bytes)
    assert dns.message.from_wire(answer).rcode() == dns.rcode.SERVFAIL
    await asyncio.sleep(0)


async def test_an_alias_that_goes_while_its_question_waits_is_denied() -> None:
    made = DnsServer(FakeApi().client, [("127.0.0.1", 0)], clock=VirtualClock(), upstream=[("127.0.0.1", 9)])
    made.synced.set()
    answer = await made.answer_later(dns.message.make_query("gone.default.svc.cluster.local", "A").to_wire(), False)
    assert answer is not None
    assert dns.message.from_wire(answer).rcode() == dns.rcode.NXDOMAIN
