"""Notifications of nftables about changes that other processes made to our tables.

Kernel interface: nfnetlink multicast group NFNLGRP_NFTABLES; a transaction's messages end with one that names its process.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Iterator

from pilothouse.proxy.netlink import FAMILY, NETLINK_NETFILTER, attributes, messages

NFNLGRP_NFTABLES = 7
NFNL_SUBSYS_NFTABLES = 10
MESSAGES_OF_LOSS = {2, 5, 8, 11, 14}
"""NFT_MSG_DEL: TABLE, CHAIN, RULE, SET, SETELEM; attribute 1 of each is the table's name."""
NFT_MSG_NEWGEN = 15
NFTA_GEN_PROC_PID = 2
READ_BYTES = 1 << 16


async def disturbances(table: str) -> AsyncIterator[None]:
    """One item each time that another process removed something from `table`, or that notifications were lost."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER) as listener:
        listener.bind((0, 1 << (NFNLGRP_NFTABLES - 1)))
        touched = False
        while True:
            try:
                data = await loop.sock_recv(listener, READ_BYTES)
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # that: the kernel had more to tell than we read
                    raise
                yield
                continue
            for type_, attributes in notifications(data):
                if type_ in MESSAGES_OF_LOSS and attributes.get(1, b"").rstrip(b"\0").decode() == table:
                    touched = True
                elif type_ == NFT_MSG_NEWGEN:
                    if touched and int.from_bytes(attributes.get(NFTA_GEN_PROC_PID, b""), "big") != os.getpid():
                        yield
                    touched = False


def notifications(data: bytes) -> Iterator[tuple[int, dict[int, bytes]]]:
    """(nftables message type, attributes) of each of nftables' messages in a datagram."""
    for type_, body in messages(data):
        if type_ >> 8 == NFNL_SUBSYS_NFTABLES:
            yield type_ & 0xFF, attributes(body[FAMILY.size :])
