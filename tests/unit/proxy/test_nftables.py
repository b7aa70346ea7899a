"""The transactions of the nftables backend, as text: what they cost, and in which order."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from pilothouse.proxy.backends.interface import BackendError
from pilothouse.proxy.backends.nftables import NftablesBackend
from pilothouse.proxy.backends.nftables_rules import Frame, name_of
from pilothouse.proxy.planner import PortKey, PortPlan, Target

FRAME = Frame("proxy", ("192.0.2.1",), ("10.96.0.0/16",), ("10.244.0.0/16",))


class FakeLibrary:
    """Remembers transactions; refuses the next when told to."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []
        self.refuse = False
        self.printed = ""

    def run(self, commands: str) -> str:
        if self.refuse:
            raise BackendError("no")
        if commands.startswith("list "):
            return self.printed
        self.transactions.append(commands.split("\n"))
        return ""

    def close(self) -> None:
        pass


def plan(place: int, *targets: str, **more: object) -> PortPlan:
    key = PortKey("default", f"s{place}", "http", "TCP")
    address = f"10.96.{place // 250}.{place % 250}"
    return PortPlan(key, 80, (address,), everywhere=tuple(Target(one, 8080) for one in targets), **more)  # type: ignore[arg-type]


def plans(*some: PortPlan) -> Mapping[PortKey, PortPlan]:
    return {one.key: one for one in some}


@pytest.fixture
def library() -> FakeLibrary:
    return FakeLibrary()


@pytest.fixture
def backend(library: FakeLibrary) -> NftablesBackend:
    return NftablesBackend(FRAME, library)  # type: ignore[arg-type]


def test_a_change_costs_the_same_among_many_services(backend: NftablesBackend, library: FakeLibrary) -> None:
    backend.replace(plans(*(plan(place, "10.244.0.1") for place in range(2000)), plan(2001, "10.244.0.1", "10.244.0.2")))
    backend.apply(plans(plan(7, "10.244.0.1", "10.244.0.2")))
    assert sorted(library.transactions[-1], reverse=True) == [
        "delete element ip proxy service-ips { 10.96.0.7 . tcp . 80 }",
        "delete element ip proxy pick-1 { 10.96.0.7 . tcp . 80 . 0 }",
        "add element ip proxy service-ips { 10.96.0.7 . tcp . 80 : goto pick-2 }",
        "add element ip proxy pick-2 { 10.96.0.7 . tcp . 80 . 0 : 10.244.0.1 . 8080, 10.96.0.7 . tcp . 80 . 1 : 10.244.0.2 . 8080 }",
    ]


def test_nothing_changed_is_nothing_done(backend: NftablesBackend, library: FakeLibrary) -> None:
    backend.replace(plans(plan(1, "10.244.0.1")))
    before = len(library.transactions)
    backend.apply(plans(plan(1, "10.244.0.1")))
    backend.apply({})
    assert len(library.transactions) == before


def test_chains_come_before_what_leads_to_them_and_go_after(backend: NftablesBackend, library: FakeLibrary) -> None:
    backend.replace({})
    one = plan(1, "10.244.0.1", node_port=30080, affinity_seconds=60)
    backend.apply(plans(one))
    text = library.transactions[-1]
    added = [re.match(r"add (set|chain|rule|element)", line).group(1) for line in text]  # type: ignore[union-attr]
    assert added == sorted(added, key=["set", "chain", "rule", "element"].index)
    backend.apply({one.key: None})
    gone = [line.split()[0:2] for line in library.transactions[-1]]
    assert gone.index(["delete", "element"]) < gone.index(["delete", "chain"])


def test_an_address_that_two_claim_passes_to_the_second_when_the_first_goes(backend: NftablesBackend, library: FakeLibrary) -> None:
    first, second = (plan(place, f"10.244.0.{place}", external_ips=("203.0.113.7",)) for place in (1, 2))
    key = "203.0.113.7 . tcp . 80 . 0"
    backend.replace(plans(first, second))
    assert [f"{key} : 10.244.0.{place}" in "".join(library.transactions[-1]) for place in (1, 2)] == [True, False]
    backend.apply({first.key: None})
    assert f"add element ip proxy pick-1 {{ {key} : 10.244.0.2 . 8080 }}" in library.transactions[-1]


def test_after_a_refusal_the_table_must_be_replaced(backend: NftablesBackend, library: FakeLibrary) -> None:
    backend.replace({})
    library.refuse = True
    with pytest.raises(BackendError):
        backend.apply(plans(plan(1, "10.244.0.1")))
    library.refuse = False
    with pytest.raises(BackendError, match="must be replaced"):
        backend.apply(plans(plan(1, "10.244.0.1")))
    backend.replace(plans(plan(1, "10.244.0.1")))
    backend.apply(plans(plan(1, "10.244.0.2")))


def test_names_are_legible_unique_and_short() -> None:
    long = PortPlan(PortKey("n" * 63, "s" * 63, "p" * 15, "TCP"), 80, ())
    other = PortPlan(PortKey("n" * 63, "s" * 63, "p" * 14 + "q", "TCP"), 80, ())
    assert len(name_of("all", long)) <= 100
    assert name_of("all", long) != name_of("all", other)
    assert "default/s1/tcp/http" in name_of("all", plan(1))


def test_taking_over_from_another_proxy_is_one_transaction(backend: NftablesBackend, library: FakeLibrary) -> None:
    backend.replace(plans(plan(1, "10.244.0.1"), plan(2, "10.244.0.2")))
    assert [one[:3] for one in library.transactions] == [["add table ip proxy", "delete table ip proxy", "add table ip proxy"]]


def test_clients_with_affinity_keep_it_when_the_table_is_made_anew(backend: NftablesBackend, library: FakeLibrary) -> None:
    sticky = plan(1, "10.244.0.1", affinity_seconds=60)
    backend.replace(plans(sticky))
    name = next(line.split()[4] for line in library.transactions[-1] if line.startswith("add set") and "seen-" in line)
    library.printed = f"""table ip proxy {{
    set {name} {{
        type ipv4_addr
        size 65535
        flags dynamic,timeout
        timeout 1m
        elements = {{ 10.0.0.1 timeout 1m expires 59s996ms, 10.0.0.2 timeout 1m expires 3s,
                 10.0.0.3 timeout 1m expires 9s }}
    }}

    set seen-other {{
        type ipv4_addr
        elements = {{ 10.0.0.9 timeout 1m expires 1s }}
    }}
}}"""
    backend.replace(plans(sticky))
    assert [line for line in library.transactions[-1] if "expires" in line] == [
        f"add element ip proxy {name} "
        "{10.0.0.1 timeout 1m expires 59s996ms, 10.0.0.2 timeout 1m expires 3s, 10.0.0.3 timeout 1m expires 9s}"
    ]
