"""The DNS server over loopback, asked by dnspython, which is the oracle of the wire format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from pilothouse.api.types.core_v1 import Namespace, Service, ServicePort, ServiceSpec
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.dns.server import DnsServer
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.virtual_clock import wait_until_idle
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.scheduler.fake_api import FakeApi

LOOPBACK = "127.0.0.1"
RANGES = ("10.96.0.0/16", "10.244.0.0/16")


def service(name: str, cluster_ip: str = "10.96.0.20", **spec: Any) -> Service:
    ports = [
        ServicePort(name="http", port=80, protocol="TCP"),
        ServicePort(name="dns", port=53, protocol="UDP"),
    ]
    spec.setdefault("ports", ports)
    return Service(metadata=ObjectMeta(name=name, namespace="default"), spec=ServiceSpec(clusterIP=cluster_ip, **spec))


def endpoints(name: str, *hosts: tuple[str, str], ready: bool = True, part: str = "a") -> EndpointSlice:
    """`hosts` are (address, hostname)."""
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{name}-{part}", namespace="default", labels={"kubernetes.io/service-name": name}),
        addressType="IPv4",
        ports=[EndpointPort(name="http", port=8080, protocol="TCP")],
        endpoints=[Endpoint(addresses=[ip], hostname=host, conditions=EndpointConditions(ready=ready)) for ip, host in hosts],
    )


def everything() -> list[Any]:
    return [
        Namespace(metadata=ObjectMeta(name="default")),
        service("hello"),
        endpoints("hello", ("10.244.0.9", "")),
        service("dual", "10.96.0.30", clusterIPs=["10.96.0.30", "fd00::30"]),
        service("db", "None"),
        endpoints("db", ("10.244.0.5", "db-0"), ("10.244.0.6", "db-1"), ("10.244.0.7", "")),
        endpoints("db", ("10.244.0.8", "db-9"), ready=False, part="b"),
        service("empty", "None"),
        service("away", "", type="ExternalName", externalName="Example.COM."),
        service("near", "", type="ExternalName", externalName="hello.default.svc.cluster.local"),
        service("loop", "", type="ExternalName", externalName="loop.default.svc.cluster.local"),
    ]


class Asker:
    def __init__(self, api: FakeApi, port: int) -> None:
        self.api = api
        self.port = port

    async def __call__(self, name: str, type: str = "A", *, tcp: bool = False, **options: Any) -> dns.message.Message:
        question = dns.message.make_query(name, type, **options)
        ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await ask(question, LOOPBACK, timeout=60, port=self.port)

    async def put(self, *objects: Any) -> None:
        self.api.put(*objects)
        await wait_until_idle()


@asynccontextmanager
async def serving(*objects: Any, **options: Any) -> AsyncIterator[Asker]:
    api = FakeApi()
    api.put(*objects)
    server = DnsServer(api.client, [(LOOPBACK, 0)], clock=SystemClock(), ranges=RANGES, **options)
    task = asyncio.create_task(server.run())
    try:
        await asyncio.wait_for(server.synced.wait(), 60)
        yield Asker(api, server.bound[0][1])
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def shown(answer: dns.message.Message) -> tuple[str, list[str]]:
    """(code, sorted answers as `TYPE data`)"""
    found = [f"{dns.rdatatype.to_text(rrset.rdtype)} {data}" for rrset in answer.answer for data in rrset]
    return dns.rcode.to_text(answer.rcode()), sorted(found)


SVC = "default.svc.cluster.local"


@pytest.mark.parametrize(
    ("name", "type", "code", "answers"),
    [
        pytest.param(f"hello.{SVC}", "A", "NOERROR", ["A 10.96.0.20"], id="a Service has its ClusterIP"),
        pytest.param(f"HeLLo.{SVC.upper()}", "A", "NOERROR", ["A 10.96.0.20"], id="case does not matter"),
        pytest.param(f"hello.{SVC}", "AAAA", "NOERROR", [], id="no IPv6 address is NODATA"),
        pytest.param(f"dual.{SVC}", "AAAA", "NOERROR", ["AAAA fd00::30"], id="a dual-stack Service has both"),
        pytest.param(f"nobody.{SVC}", "A", "NXDOMAIN", [], id="an unknown Service does not exist"),
        pytest.param("hello.other.svc.cluster.local", "A", "NXDOMAIN", [], id="nor does one in another namespace"),
        pytest.param(SVC, "A", "NOERROR", [], id="a namespace is NODATA"),
        pytest.param("nowhere.svc.cluster.local", "A", "NXDOMAIN", [], id="an unknown namespace does not exist"),
        pytest.param(f"_http._tcp.hello.{SVC}", "SRV", "NOERROR", [f"SRV 0 100 80 hello.{SVC}."], id="a named port"),
        pytest.param(f"_dns._udp.hello.{SVC}", "SRV", "NOERROR", [f"SRV 0 100 53 hello.{SVC}."], id="a named UDP port"),
        pytest.param(f"_http._udp.hello.{SVC}", "SRV", "NXDOMAIN", [], id="of the other protocol there is none"),
        pytest.param(f"_tcp.hello.{SVC}", "SRV", "NOERROR", [], id="between the names there is NODATA"),
        pytest.param(
            f"db.{SVC}", "A", "NOERROR", ["A 10.244.0.5", "A 10.244.0.6", "A 10.244.0.7"], id="a headless Service has its ready endpoints"
        ),
        pytest.param(f"db-0.db.{SVC}", "A", "NOERROR", ["A 10.244.0.5"], id="a Pod by hostname and subdomain"),
        pytest.param(f"10-244-0-7.db.{SVC}", "A", "NOERROR", ["A 10.244.0.7"], id="an endpoint without hostname by its address"),
        pytest.param(f"db-9.db.{SVC}", "A", "NXDOMAIN", [], id="an endpoint that is not ready does not exist"),
        pytest.param(f"empty.{SVC}", "A", "NXDOMAIN", [], id="nor does a headless Service without endpoints"),
        pytest.param(
            f"_http._tcp.db.{SVC}", "SRV", "NOERROR",
            [f"SRV 0 33 8080 10-244-0-7.db.{SVC}.", f"SRV 0 33 8080 db-0.db.{SVC}.", f"SRV 0 33 8080 db-1.db.{SVC}."],
            id="a port of a headless Service, once an endpoint",
        ),
        pytest.param("20.0.96.10.in-addr.arpa", "PTR", "NOERROR", [f"PTR hello.{SVC}."], id="a ClusterIP backwards"),
        pytest.param("5.0.244.10.in-addr.arpa", "PTR", "NOERROR", [f"PTR db-0.db.{SVC}."], id="an endpoint backwards"),
        pytest.param("99.0.96.10.in-addr.arpa", "PTR", "NXDOMAIN", [], id="an unused ClusterIP backwards"),
        pytest.param("10-1-2-3.default.pod.cluster.local", "A", "NOERROR", ["A 10.1.2.3"], id="a Pod by its address"),
        pytest.param("10-1-2-3.nowhere.pod.cluster.local", "A", "NXDOMAIN", [], id="a Pod in no namespace"),
        pytest.param("ten.default.pod.cluster.local", "A", "NXDOMAIN", [], id="a Pod by no address"),
        pytest.param(f"away.{SVC}", "A", "NOERROR", ["CNAME example.com."], id="an ExternalName outside"),
        pytest.param(f"near.{SVC}", "A", "NOERROR", ["A 10.96.0.20", f"CNAME hello.{SVC}."], id="an ExternalName inside is followed"),
        pytest.param(f"near.{SVC}", "CNAME", "NOERROR", [f"CNAME hello.{SVC}."], id="but not when the alias is asked for"),
        pytest.param("dns-version.cluster.local", "TXT", "NOERROR", ['TXT "1.1.0"'], id="the version"),
        pytest.param("cluster.local", "NS", "NOERROR", ["NS ns.dns.cluster.local."], id="the name server"),
        pytest.param("example.com", "A", "REFUSED", [], id="names outside are refused without upstream"),
        pytest.param("example", "A", "NXDOMAIN", [], id="a single label is nobody's"),
    ],
)  # fmt: skip
async def test_answers_as_the_specification_has_it(name: str, type: str, code: str, answers: list[str]) -> None:
    async with serving(*everything()) as ask:
        assert shown(await ask(name, type)) == (code, answers)
        assert shown(await ask(name, type, tcp=True)) == (code, answers)


async def test_denials_carry_the_start_of_authority() -> None:
    async with serving(*everything()) as ask:
        for name, zone in ((f"nobody.{SVC}", "cluster.local."), (SVC, "cluster.local."), ("99.0.96.10.in-addr.arpa", "in-addr.arpa.")):
            answer = await ask(name)
            assert answer.flags & dns.flags.AA
            assert answer.authority[0].rdtype == dns.rdatatype.SOA
            assert str(answer.authority[0].name) == zone
            assert answer.authority[0][0].minimum == 5


async def test_srv_answers_bring_the_addresses_along() -> None:
    async with serving(*everything()) as ask:
        answer = await ask(f"_http._tcp.db.{SVC}", "SRV")
        assert {str(data) for rrset in answer.additional for data in rrset} == {"10.244.0.5", "10.244.0.6", "10.244.0.7"}


async def test_a_large_answer_is_truncated_over_udp_and_whole_over_tcp() -> None:
    many = [(f"10.244.1.{i}", "") for i in range(1, 200)]
    async with serving(*everything(), service("big", "None"), endpoints("big", *many)) as ask:
        short = await ask(f"big.{SVC}", use_edns=False)
        assert short.flags & dns.flags.TC
        assert len(short.to_wire()) <= 512
        more = await ask(f"big.{SVC}", use_edns=0, payload=1232)
        assert more.flags & dns.flags.TC
        assert sum(map(len, more.answer)) > sum(map(len, short.answer))
        whole = await ask(f"big.{SVC}", tcp=True)
        assert sum(map(len, whole.answer)) == 199


async def test_addresses_come_in_turn() -> None:
    async with serving(*everything()) as ask:
        firsts = [str((await ask(f"db.{SVC}")).answer[0][0]) for _ in range(3)]
        assert len(set(firsts)) == 3


async def test_follows_changes() -> None:
    async with serving(*everything()) as ask:
        await ask.put(endpoints("db", ("10.244.0.50", "db-0")))
        await becomes(ask, f"db.{SVC}", ("NOERROR", ["A 10.244.0.50"]))
        assert shown(await ask("5.0.244.10.in-addr.arpa", "PTR"))[0] == "NXDOMAIN"
        ask.api.remove(ask.api.get(Service, "hello"))
        await becomes(ask, f"hello.{SVC}", ("NXDOMAIN", []))


async def becomes(ask: Asker, name: str, expected: tuple[str, list[str]]) -> None:
    """The answer is this one soon: the event travels through the informer while the question is under way."""
    async with asyncio.timeout(60):
        while shown(await ask(name)) != expected:
            await wait_until_idle()


async def test_an_alias_of_itself_ends() -> None:
    async with serving(*everything()) as ask:
        assert shown(await ask(f"loop.{SVC}"))[0] == "NOERROR"


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        pytest.param("www.prod.svc.example.com", ["A 192.0.2.1"], id="a name outside"),
        pytest.param(f"outside.{SVC}", ["A 192.0.2.1", "CNAME www.prod.svc.example.com."], id="what an ExternalName stands for"),
    ],
)
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
async def test_other_names_go_upstream(name: str, answers: list[str], tcp: bool) -> None:
    """The other server is one of ours, with another cluster domain."""
    www = Service(metadata=ObjectMeta(name="www", namespace="prod"), spec=ServiceSpec(clusterIP="192.0.2.1"))
    outside = service("outside", "", type="ExternalName", externalName="www.prod.svc.example.com")
    async with (
        serving(www, cluster_domain="example.com") as other,
        serving(*everything(), outside, upstream=[(LOOPBACK, other.port)]) as ask,
    ):
        assert shown(await ask(name, tcp=tcp)) == ("NOERROR", answers)


@pytest.mark.parametrize("name", ["www.prod.svc.example.com", f"outside.{SVC}"], ids=["a name outside", "an ExternalName"])
async def test_what_upstream_answered_is_told_again_when_it_is_gone(name: str) -> None:
    www = Service(metadata=ObjectMeta(name="www", namespace="prod"), spec=ServiceSpec(clusterIP="192.0.2.1"))
    outside = service("outside", "", type="ExternalName", externalName="www.prod.svc.example.com")
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(serving(www, cluster_domain="example.com", ttl_seconds=3600))
        async with serving(*everything(), outside, upstream=[(LOOPBACK, other.port)]) as ask:
            first = await ask(name)
            await stack.aclose()
            assert shown(await ask(name)) == shown(first)
            assert shown(await ask(name, tcp=True)) == shown(first)


async def test_an_upstream_that_is_not_there_fails_fast() -> None:
    async with serving(*everything()) as other:
        port = other.port
    async with serving(*everything(), upstream=[(LOOPBACK, port)]) as ask:
        assert shown(await ask("www.example.com"))[0] == "SERVFAIL"
