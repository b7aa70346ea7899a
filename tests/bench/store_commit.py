"""Durable writes per second of 3.5 kB objects for 32 writers: bare SQLite, our store, and whole creates through the registry.

Bare is what SQLite itself can do on this disk with the same settings: transactions of 16 inserts, one after the other, nothing
else. A create through the registry is defaults, admission, validation, encoding, the store's commit and the watch cache, in one
process without HTTP (for that see api_create.py).
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.client.call import Call
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.bench.api.served import pod
from tests.bench.figure import p50, report

WRITES = 3_000
WRITERS = 32
BATCH = 16
VALUE = b"v" * 3_500
ROUNDS = 3


def bare(path: Path) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE entry (key TEXT PRIMARY KEY, value BLOB)")
    begin = time.perf_counter()
    for start in range(0, WRITES, BATCH):
        connection.execute("BEGIN")
        rows = [(f"/registry/pods/default/{number:06}", VALUE) for number in range(start, start + BATCH)]
        connection.executemany("INSERT INTO entry VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begin
    connection.close()
    return WRITES / seconds


async def rate(write: Callable[[int], Awaitable[Any]]) -> float:
    """Writes per second of WRITERS who each begin their next write when the last is acknowledged."""
    numbers = iter(range(WRITES))

    async def writer() -> None:
        for number in numbers:
            await write(number)

    begin = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return WRITES / (time.perf_counter() - begin)


async def store(path: Path) -> float:
    storage = SqliteStorage(path)
    result = await rate(lambda number: storage.commit(f"/registry/pods/default/{number:06}", VALUE, 0))
    await storage.close()
    return result


async def creates(path: Path, make: Callable[[int], Any]) -> float:
    storage = SqliteStorage(path)
    registry = Registry(storage, SystemClock(), Entropy())
    running = asyncio.create_task(registry.run())
    await registry.start()
    resource = resource_of(type(make(0)))
    result = await rate(lambda number: registry.execute(Call("create", resource, "default", body=make(number)), ADMIN))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await storage.close()
    return result


def config_map(number: int) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=f"config-{number:06}", namespace="default"), data={"value": VALUE.decode()})


def main() -> None:
    figures: dict[str, list[float]] = {"bare": [], "store": [], "config_map": [], "pod": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            path = Path(folder)
            figures["bare"].append(bare(path / "bare"))
            figures["store"].append(uvloop.run(store(path / "store")))
            figures["config_map"].append(uvloop.run(creates(path / "maps", config_map)))
            figures["pod"].append(uvloop.run(creates(path / "pods", pod)))
    report("sqlite_bare_commit_rate", p50(figures["bare"]), "1/s")
    for name, least in (("store", 0.5), ("config_map", 0.25), ("pod", None)):
        ratio = p50([mine / theirs for mine, theirs in zip(figures[name], figures["bare"], strict=True)])
        what = "commit" if name == "store" else "create"
        report(f"{name}_{what}_rate", p50(figures[name]), "1/s")
        report(f"{name}_{what}_ratio", ratio, "x", at_least=least)


if __name__ == "__main__":
    main()
