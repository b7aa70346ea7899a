"""Creates over etcd beside what etcd itself takes: puts of the same bytes through the same stubs, from as many clients.

Both wait for the same disk. A create through the registry is defaults, admission, validation, encoding, the transaction and the watch
that brings it back to the cache, in one process without HTTP. etcd is the one on PATH, or ETCD's.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import uvloop
from aetcd import rpc

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.storage.etcd import EtcdStorage
from pilothouse.apiserver.storage.etcd_client import EtcdClient, EtcdServers
from pilothouse.client.call import Call
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.codec import encode
from tests.bench.figure import p50, report
from tests.bench.store_commit import config_map, rate
from tests.etcd_server import EtcdServer

ROUNDS = 3
pb: Any = rpc


async def puts(url: str, number_of_round: int) -> float:
    client = EtcdClient(EtcdServers((url,)), SystemClock())
    value = encode(config_map(0))

    async def put(number: int) -> None:
        key = f"/bare/configmaps/default/{number_of_round}-{number:06}".encode()
        await client.write("Put", pb.PutRequest(key=key, value=value))

    result = await rate(put)
    await client.close()
    return result


async def creates(url: str, number_of_round: int) -> float:
    storage = EtcdStorage(EtcdServers((url,), prefix=f"/round-{number_of_round}"))
    registry = Registry(storage, SystemClock(), Entropy())
    running = asyncio.create_task(registry.run())
    await registry.start()
    resource = resource_of(ConfigMap)
    result = await rate(lambda number: registry.execute(Call("create", resource, "default", body=config_map(number)), ADMIN))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await storage.close()
    return result


def main() -> None:
    bare: list[float] = []
    ours: list[float] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        server = EtcdServer(Path(folder) / "etcd").start()
        try:
            for number in range(ROUNDS):
                bare.append(uvloop.run(puts(server.url, number)))
                ours.append(uvloop.run(creates(server.url, number)))
        finally:
            server.kill()
    report("etcd_bare_put_rate", p50(bare), "1/s")
    report("etcd_create_rate", p50(ours), "1/s")
    report("etcd_create_ratio", p50([mine / theirs for mine, theirs in zip(ours, bare, strict=True)]), "x", at_least=0.5)


if __name__ == "__main__":
    main()
