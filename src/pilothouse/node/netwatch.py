"""Reports removed links, addresses, routes and nftables tables, from kernel notifications.

Kernel interfaces: rtnetlink and nfnetlink multicast groups. A socket keeps the network namespace that it was opened in.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
LINKS_ADDRESSES_ROUTES = 0x1 | 0x10 | 0x40
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE."""
NFTABLES = 1 << 6
"""NFNLGRP_NFTABLES is 7."""
HEADER = struct.Struct("=IHHII")
LINK_BODY = struct.Struct("=BxHiII")
RTM_NEWLINK, RTM_DELLINK, RTM_DELADDR, RTM_DELROUTE = 16, 17, 21, 25
NFT_DELTABLE, NFT_DELCHAIN, NFT_DELRULE = 0xA02, 0xA05, 0xA08
LOSSES = frozenset({RTM_DELLINK, RTM_DELADDR, RTM_DELROUTE, NFT_DELTABLE, NFT_DELCHAIN, NFT_DELRULE})
IFF_UP = 1
READ_BYTES = 1 << 17


def open_sockets() -> list[socket.socket]:
    """Netlink sockets for links, addresses, routes and nftables in the calling thread's network namespace."""
    made = []
    for protocol, groups in ((NETLINK_ROUTE, LINKS_ADDRESSES_ROUTES), (NETLINK_NETFILTER, NFTABLES)):
        listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
        listener.bind((0, groups))
        made.append(listener)
    return made


def announces_removal(data: bytes) -> bool:
    """Whether a datagram says that something was removed, or that a link was taken down."""
    at = 0
    while at + HEADER.size <= len(data):
        length, type_, *_ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return False
        if type_ in LOSSES:
            return True
        if type_ == RTM_NEWLINK and length >= HEADER.size + LINK_BODY.size:
            *_, flags, change = LINK_BODY.unpack_from(data, at + HEADER.size)
            if change & IFF_UP and not flags & IFF_UP:
                return True
        at += (length + 3) & ~3
    return False


async def watch(listener: socket.socket, note: Callable[[], object]) -> None:
    """Call `note` each time that something was lost, or that the kernel had more to tell than was read; until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            if announces_removal(await loop.sock_recv(listener, READ_BYTES)):
                note()
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            note()
