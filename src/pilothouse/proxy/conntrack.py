"""Deletes stale conntrack entries of UDP Services.

A UDP client that keeps sending from one port keeps its connection-tracking entry alive, and with it the old
translation; TCP ends by itself.
Kernel interface: ctnetlink. The namespace is that of the thread that opens the socket.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pilothouse.proxy.netlink import (
    FAMILY,
    NESTED,
    NETLINK_NETFILTER,
    NLMSG_DONE,
    NLMSG_ERROR,
    attributes,
    messages,
    request,
)
from pilothouse.proxy.planner import PortPlan, Target

GET, DELETE = 0x0101, 0x0102
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
TUPLE_ORIGINAL, TUPLE_REPLY, ENTRY_ID = 1, 2, 12
UDP = 17
TIMEOUT_SECONDS = 2.0
READ_BYTES = 1 << 17


class Entry(NamedTuple):
    """A tracked connection: where its client sent to, who answers, and what names it to the kernel."""

    destination: Target
    answering: Target
    name: Mapping[int, bytes]


Frontends = Mapping[Target, frozenset[Target]]
"""Address and port of a Service -> who may answer for it."""


def frontends(plans: Iterable[PortPlan], node_ips: Sequence[str]) -> Frontends:
    """UDP frontends with their endpoints. A Service without endpoints is left out, so its entries are kept, as upstream does."""
    by_frontend: dict[Target, frozenset[Target]] = {}
    for plan in plans:
        if plan.serving:
            everyone = frozenset(plan.serving)
            for address in (*plan.cluster_ips, *plan.external_ips, *plan.load_balancer_ips):
                by_frontend[Target(address, plan.port)] = everyone
            for address in node_ips if plan.node_port else ():
                by_frontend[Target(address, plan.node_port)] = everyone
    return by_frontend


def stale(entries: Iterable[Entry], known: Frontends) -> Iterator[Entry]:
    """The entries of known Services that lead to none of their endpoints (or, from before there were any, nowhere)."""
    for entry in entries:
        targets = known.get(entry.destination)
        if targets is not None and entry.answering not in targets:
            yield entry


def open_socket() -> socket.socket:
    """A netlink socket to netfilter with a timeout."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    made.settimeout(TIMEOUT_SECONDS)
    return made


def forget_stale(kernel: socket.socket, known: Frontends) -> int:
    """Delete what is stale; gives how many. OSError when the kernel does not answer."""
    count = 0
    for entry in [*stale(dump(kernel), known)]:
        kernel.send(request(DELETE, REQUEST | ACK, socket.AF_INET, entry.name))
        for type_, body in messages(kernel.recv(READ_BYTES)):
            code = -int.from_bytes(body[:4], "little", signed=True) if type_ == NLMSG_ERROR else 0
            if code not in (0, errno.ENOENT):  # gone by itself
                raise OSError(code, "conntrack")
        count += 1
    return count


def dump(kernel: socket.socket) -> Iterator[Entry]:
    """Every tracked UDP connection over IPv4."""
    kernel.send(request(GET, REQUEST | DUMP, socket.AF_INET, {}))
    while True:
        for type_, body in messages(kernel.recv(READ_BYTES)):
            if type_ == NLMSG_DONE:
                return
            if type_ == NLMSG_ERROR:
                raise OSError(-int.from_bytes(body[:4], "little", signed=True), "conntrack")
            entry = entry_of(attributes(body[FAMILY.size :]))
            if entry is not None:
                yield entry


def entry_of(attrs: Mapping[int, bytes]) -> Entry | None:
    """A UDP entry of the connection table; None for other protocols and for incomplete messages."""
    original, reply = (attributes(attrs.get(tuple_type, b"")) for tuple_type in (TUPLE_ORIGINAL, TUPLE_REPLY))
    addresses, protocol = attributes(original.get(1, b"")), attributes(original.get(2, b""))
    if protocol.get(1) != bytes((UDP,)) or 2 not in addresses:
        return None
    answering, answering_port = attributes(reply.get(1, b"")), attributes(reply.get(2, b""))
    name = {TUPLE_ORIGINAL | NESTED: attrs[TUPLE_ORIGINAL]}
    if ENTRY_ID in attrs:
        name[ENTRY_ID] = attrs[ENTRY_ID]
    return Entry(
        Target(socket.inet_ntoa(addresses[2]), int.from_bytes(protocol.get(3, b""), "big")),
        Target(socket.inet_ntoa(answering.get(1, bytes(4))), int.from_bytes(answering_port.get(2, b""), "big")),
        name,
    )
