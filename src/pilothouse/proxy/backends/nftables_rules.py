"""nftables chains, sets and map elements of a PortPlan as comparable values, and the fixed part of the table.

Maps lead packets on in one look-up, so the cost of a packet does not depend on the number of Services; and most ports are nothing but
map elements, so the cost of a change does not either: `service-ips` leads to the chain `pick-N`, which all ports with N endpoints
share, and which finds the endpoint in the map `pick-N` by address, port and a random number below N. Chains of their own have ports
for which that is not enough: `all` (any endpoint) and `own` (endpoints of this node), `ext` (what comes from outside under the policy
Local), `grd` (source ranges) and, with session affinity, one `one` an endpoint with a set that remembers its clients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.proxy.planner import PortPlan, Target

NAME_LIMIT = 100
SHARED_LIMIT = 64
"""Ports with more endpoints than this have a chain of their own."""
MARK = 0x4000
"""The bit of the packet mark that asks for masquerading, as upstream's default."""
TO_MASQUERADE = f"meta mark set meta mark | {MARK:#x}"
IP_PORT = "ipv4_addr . inet_proto . inet_service"


class Element(NamedTuple):
    """An element of a set or map by its key."""

    holder: str
    key: str


@dataclass(slots=True)
class Rules:
    """Rules of one Service port. Set elements have an empty value; `picks` are the shared chains that it uses."""

    picks: set[int] = field(default_factory=set)

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    elements: dict[Element, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """Facts about the node for the fixed part of the table."""

    table: str
    node_ips: Sequence[str]
    service_ranges: Sequence[str] = ()
    pod_ranges: Sequence[str] = ()
    """Whose Pods reach ClusterIPs with their own address; others are masqueraded. Empty: nobody is."""
    masquerade_all: bool = False


def name_of(kind: str, plan: PortPlan, more: str = "") -> str:
    """A chain or set name: a digest that makes it unique, and words that make it readable."""
    key = plan.key
    words = f"{key.namespace}/{key.service}/{key.protocol.lower()}/{key.port}{more}"
    digest = hashlib.blake2s(words.encode(), digest_size=5).hexdigest()
    return f"{kind}-{digest}-{words}"[:NAME_LIMIT].rstrip("/-.")


def rules_of(plan: PortPlan, frame: Frame) -> Rules:
    """Rules of one Service port."""
    rules = Rules()
    for target in {*plan.everywhere, *plan.here}:
        rules.elements[Element("hairpin", f"{target.address} . {target.address}")] = ""
    inside = [Target(address, plan.port) for address in plan.cluster_ips]
    kind = "own" if plan.internal_local else "all"
    chain = lead(rules, plan, kind, plan.internal, inside)
    for front in inside:
        rules.elements[Element("cluster-ips", front.address)] = ""
        add_front(rules, plan, "ips", key_of(plan, front), chain, plan.internal)
    if plan.is_external:
        add_external(rules, plan, frame)
    return rules


def key_of(plan: PortPlan, front: Target) -> str:
    """The key of a map element: address, protocol and port."""
    return f"{front.address} . {plan.protocol} . {front.port}"


def add_front(rules: Rules, plan: PortPlan, holder: str, key: str, chain: str, targets: tuple[Target, ...]) -> None:
    """Rules for one address or port: the targets of packets, and the verdict when there are none."""
    if chain:
        rules.elements[Element(f"service-{holder}", key)] = f"goto {chain}"
    if not targets:
        rules.elements[Element(f"unserved-{holder}", key)] = no_endpoints_verdict(plan)


def lead(rules: Rules, plan: PortPlan, kind: str, targets: tuple[Target, ...], fronts: Sequence[Target]) -> str:
    """The chain that sends packets for `fronts` to one of the targets: shared, where that will do. Empty without targets."""
    if not targets:
        return ""
    if plan.affinity_seconds or len(targets) > SHARED_LIMIT:
        return own_chain(rules, plan, kind, targets)
    number = len(targets)
    rules.picks.add(number)
    for front in fronts:
        for place, target in enumerate(targets):
            rules.elements[Element(f"pick-{number}", f"{key_of(plan, front)} . {place}")] = f"{target.address} . {target.port}"
    return f"pick-{number}"


def own_chain(rules: Rules, plan: PortPlan, kind: str, targets: tuple[Target, ...]) -> str:
    """The port's own chain of a kind, made when first asked for."""
    name = name_of(kind, plan)
    if name not in rules.chains:
        balance(rules, plan, name, targets)
    return name


def balance(rules: Rules, plan: PortPlan, chain: str, targets: tuple[Target, ...]) -> None:
    """A chain that sends each new connection to one of the targets: by chance, or with affinity where its client was last."""
    if not plan.affinity_seconds:
        rules.chains[chain] = (dnat(plan, targets),)
        return
    ones = [name_of("one", plan, f"/{target.address}/{target.port}") for target in targets]
    remembered = []
    for target_chain, target in zip(ones, targets, strict=True):
        clients = "seen" + target_chain[3:]
        rules.sets[clients] = f"type ipv4_addr; flags dynamic,timeout; timeout {plan.affinity_seconds}s;"
        rules.chains[target_chain] = (f"update @{clients} {{ ip saddr }}", dnat(plan, (target,)))
        remembered.append(f"ip saddr @{clients} goto {target_chain}")
    choices = ", ".join(f"{place} : goto {target_chain}" for place, target_chain in enumerate(ones))
    rules.chains[chain] = (*remembered, f"numgen random mod {len(ones)} vmap {{ {choices} }}")


def dnat(plan: PortPlan, targets: tuple[Target, ...]) -> str:
    """The rule that sends packets to one of the targets, chosen at random."""
    match = f"meta l4proto {plan.protocol} dnat ip"
    if len(targets) == 1:
        return f"{match} to {targets[0].address}:{targets[0].port}"
    choices = ", ".join(f"{place} : {target.address} . {target.port}" for place, target in enumerate(targets))
    return f"{match} addr . port to numgen random mod {len(targets)} map {{ {choices} }}"


def no_endpoints_verdict(plan: PortPlan) -> str:
    """Verdict without an endpoint: reject; drop when only this node has none."""
    return "goto refuse" if not plan.everywhere else "drop"


def add_external(rules: Rules, plan: PortPlan, frame: Frame) -> None:
    """Rules for external traffic: its source address is kept only under externalTrafficPolicy Local."""
    fronts = [Target(address, plan.port) for address in (*plan.external_ips, *plan.load_balancer_ips)]
    ports = [Target(address, plan.node_port) for address in frame.node_ips if plan.node_port]
    if plan.external_local:
        chain = local_chain(rules, plan, frame)
    else:
        chain = lead(rules, plan, "all", plan.everywhere, [*fronts, *ports])
    keys = [("ips", key_of(plan, front)) for front in fronts]
    keys += [("ports", f"{plan.protocol} . {plan.node_port}")] if plan.node_port else []
    for holder, key in keys:
        add_front(rules, plan, holder, key, chain, plan.external)
        if chain and not plan.external_local:
            rules.elements[Element(f"masqueraded-{holder}", key)] = ""
    if plan.source_ranges:
        guard(rules, plan)


def local_chain(rules: Rules, plan: PortPlan, frame: Frame) -> str:
    """Under the policy Local only endpoints here answer; the node itself and its Pods may still go everywhere."""
    if not plan.everywhere:
        return ""
    name = name_of("ext", plan)
    everywhere = f"goto {own_chain(rules, plan, 'all', plan.everywhere)}"
    pods = [f"ip saddr {braces(frame.pod_ranges)} {everywhere}"] if frame.pod_ranges else []
    here = [f"goto {own_chain(rules, plan, 'own', plan.here)}"] if plan.here else []
    rules.chains[name] = (*pods, f"fib saddr type local {TO_MASQUERADE} {everywhere}", *here)
    return name


def guard(rules: Rules, plan: PortPlan) -> None:
    """loadBalancerSourceRanges: other clients are dropped before anything is chosen."""
    name = name_of("grd", plan)
    rules.chains[name] = (f"ip saddr {braces(plan.source_ranges)} return", "drop")
    for address in plan.load_balancer_ips:
        rules.elements[Element("guarded-ips", f"{address} . {plan.protocol} . {plan.port}")] = f"goto {name}"


def braces(values: Iterable[str]) -> str:
    """The values as nft writes a set: in braces, separated by commas."""
    return f"{{ {', '.join(values)} }}"


HOOKS = (
    "chain {t} nat-prerouting {{ type nat hook prerouting priority -100; }}",
    "chain {t} nat-output {{ type nat hook output priority -100; }}",
    "chain {t} nat-postrouting {{ type nat hook postrouting priority 100; }}",
    "chain {t} guard-prerouting {{ type filter hook prerouting priority -110; }}",
    "chain {t} filter-input {{ type filter hook input priority 0; }}",
    "chain {t} filter-forward {{ type filter hook forward priority 0; }}",
    "chain {t} filter-output {{ type filter hook output priority 0; }}",
)
HOLDERS = (
    "set {t} cluster-ips {{ type ipv4_addr; }}",
    "set {t} node-ips {{ type ipv4_addr; }}",
    "set {t} hairpin {{ type ipv4_addr . ipv4_addr; }}",
    f"map {{t}} service-ips {{{{ type {IP_PORT} : verdict; }}}}",
    "map {t} service-ports {{ type inet_proto . inet_service : verdict; }}",
    f"map {{t}} unserved-ips {{{{ type {IP_PORT} : verdict; }}}}",
    f"set {{t}} masqueraded-ips {{{{ type {IP_PORT}; }}}}",
    "set {t} masqueraded-ports {{ type inet_proto . inet_service; }}",
    "map {t} unserved-ports {{ type inet_proto . inet_service : verdict; }}",
    f"map {{t}} guarded-ips {{{{ type {IP_PORT} : verdict; }}}}",
)
PROTOCOLS = ("tcp", "udp", "sctp")
PACKET_KEY = "ip daddr . meta l4proto . th dport"
PORT_KEY = "ip daddr @node-ips meta l4proto . th dport"


def frame_rules(frame: Frame) -> Iterable[tuple[str, str]]:
    """(chain, rule) of the fixed part, in order."""
    yield "refuse", "reject"
    if frame.masquerade_all:
        yield "serve", f"ip daddr @cluster-ips {TO_MASQUERADE}"
    elif frame.pod_ranges:
        yield "serve", f"ip daddr @cluster-ips ip saddr != {braces(frame.pod_ranges)} {TO_MASQUERADE}"
    yield "serve", f"{PACKET_KEY} @masqueraded-ips {TO_MASQUERADE}"
    yield "serve", f"{PACKET_KEY} vmap @service-ips"
    yield "serve", f"{PORT_KEY} @masqueraded-ports {TO_MASQUERADE}"
    yield "serve", f"{PORT_KEY} vmap @service-ports"
    yield "unserved", f"{PACKET_KEY} vmap @unserved-ips"
    yield "unserved", f"{PORT_KEY} vmap @unserved-ports"
    yield "nat-prerouting", "jump serve"
    yield "nat-output", "jump serve"
    yield "nat-postrouting", f"meta mark & {MARK:#x} != 0 meta mark set meta mark & {0xFFFFFFFF ^ MARK:#x} masquerade fully-random"
    yield "nat-postrouting", "ct status dnat ip saddr . ip daddr @hairpin masquerade fully-random"
    # The CNI plugin portmap sets route_localnet on the pods' bridge: without this, pods would reach the node's loopback.
    yield "guard-prerouting", 'iifname != "lo" ip daddr 127.0.0.0/8 drop'
    yield "guard-prerouting", f"ct state new {PACKET_KEY} vmap @guarded-ips"
    for hook in ("filter-input", "filter-forward", "filter-output"):
        yield hook, "ct state new jump unserved"
        # What still bears a service address here was translated by no rule: it must not leave the machine.
        yield hook, "ip daddr @cluster-ips reject"
        for service_range in frame.service_ranges:
            yield hook, f"ip daddr {service_range} drop"


def pick_commands(table: str, number: int) -> list[str]:
    """The chain and the map that all ports with so many endpoints share."""
    name = f"pick-{number}"
    key = f"ip daddr . meta l4proto . th dport . numgen random mod {number}"
    return [
        f"add map {table} {name} {{ typeof ip daddr . meta l4proto . th dport . numgen random mod 65536 : ip daddr . th dport; }}",
        f"add chain {table} {name}",
        *(f"add rule {table} {name} meta l4proto {protocol} dnat ip addr . port to {key} map @{name}" for protocol in PROTOCOLS),
    ]


def frame_commands(frame: Frame) -> list[str]:
    """A new, empty table in place of whatever has its name."""
    table = f"ip {frame.table}"
    commands = [f"add table {table}", f"delete table {table}", f"add table {table}"]
    commands += ["add " + template.format(t=table) for template in HOLDERS]
    if frame.node_ips:
        commands.append(f"add element {table} node-ips {braces(frame.node_ips)}")
    commands += [f"add chain {table} {name}" for name in ("refuse", "serve", "unserved")]
    commands += ["add " + template.format(t=table) for template in HOOKS]
    commands += [f"add rule {table} {chain} {rule}" for chain, rule in frame_rules(frame)]
    return commands
