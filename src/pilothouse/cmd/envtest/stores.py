"""The store of an API server that is started by upstream's flags: etcd where --etcd-servers names a real one, else memory.

envtest's stand-in for etcd (etcd.py) keeps nothing and says so at /version.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Sequence
from urllib.parse import urlsplit

from pilothouse.apiserver.storage.interface import Storage, StorageFailed
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.cmd.envtest.flags import Flags
from pilothouse.kit.clock import Clock, wait_for

log = logging.getLogger(__name__)

REACHED_SECONDS = 60.0
"""How long the first answer of etcd is waited for."""
LOOK_SECONDS = 2.0
PAUSE_SECONDS = 0.2
ANSWER_LIMIT_BYTES = 4096


async def storage_of(flags: Flags, clock: Clock) -> Storage:
    """The store, wait_until_reachable. BadFlag or BadServers for flags that cannot be used, StorageFailed when etcd does not answer."""
    urls = flags.all("etcd-servers")
    if not urls or await _is_envtest_etcd(urls, clock):
        return MemoryStorage()
    from pilothouse.apiserver.storage.etcd import EtcdStorage
    from pilothouse.apiserver.storage.etcd_client import EtcdServers

    authority, certificate, key = (flags.last(f"etcd-{name}") for name in ("cafile", "certfile", "keyfile"))
    servers = EtcdServers(urls, authority, certificate, key, flags.last("etcd-prefix", "/registry"))
    storage = EtcdStorage(servers, clock, event_seconds=math.floor(flags.seconds("event-ttl", "1h")))
    try:
        await wait_until_reachable(storage, clock)
    except BaseException:
        await storage.close()
        raise
    return storage


async def wait_until_reachable(storage: Storage, clock: Clock) -> None:
    """Return when the store answers. StorageFailed when it does not within REACHED_SECONDS."""
    until = clock.monotonic() + REACHED_SECONDS
    while True:
        try:
            await storage.revision()
            return
        except StorageFailed as error:
            if clock.monotonic() >= until:
                raise
            log.warning("etcd does not answer yet: %s", error)
        await clock.sleep(PAUSE_SECONDS)


async def _is_envtest_etcd(urls: Sequence[str], clock: Clock) -> bool:
    """Whether this is envtest's etcd, which answers in plain HTTP."""
    parts = urlsplit(urls[0])
    if len(urls) > 1 or parts.scheme != "http" or not parts.hostname:
        return False
    try:
        answer = await wait_for(clock, _get(parts.hostname, parts.port or 2379, "/version"), LOOK_SECONDS)
        return bool(json.loads(answer.partition(b"\r\n\r\n")[2]).get("storage") == "pilothouse")
    except (OSError, ValueError, AttributeError, TimeoutError):
        return False


async def _get(host: str, port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        return await reader.read(ANSWER_LIMIT_BYTES)
    finally:
        writer.close()
