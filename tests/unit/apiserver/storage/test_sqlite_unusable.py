"""A file that cannot be used is refused by its name, and a disk that fails ends nothing but what was waiting."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.apiserver.registry.compaction import CHECK_SECONDS, WINDOW_SECONDS, Written, compact_regularly
from pilothouse.apiserver.storage import sqlite_schema
from pilothouse.apiserver.storage.interface import StorageFailed
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.kit.virtual_clock import VirtualClock


def noise(path: Path) -> None:
    path.write_bytes(b"this is no database at all" * 400)


def of_something_else(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(noise, "file is not a database", id="noise"),
        pytest.param(of_something_else, "it is a database of something else", id="a database of something else"),
        pytest.param(Path.mkdir, "cannot be opened", id="a directory"),
    ],
)
async def test_what_is_no_store_is_refused_by_name(tmp_path: Path, make: Callable[[Path], None], why: str) -> None:
    path = tmp_path / "store"
    make(path)
    with pytest.raises(sqlite_schema.StoreUnusable, match=f"{path}.*{why}"):
        SqliteStorage(path)


async def test_a_read_that_fails_is_the_stores_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = SqliteStorage(tmp_path / "store")

    def broken() -> None:
        raise sqlite3.DatabaseError("disk I/O error")

    with pytest.raises(StorageFailed, match="disk I/O error"):
        await storage._read(broken)
    await storage.close()


async def test_a_compaction_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    storage, clock = MemoryStorage(), VirtualClock()
    tried: list[int] = []

    async def compact(revision: int) -> None:
        tried.append(revision)
        if len(tried) == 1:
            raise StorageFailed("database or disk is full")

    monkeypatch.setattr(storage, "compact", compact)
    task = asyncio.create_task(compact_regularly(storage, clock, Written()))
    await clock.advance(CHECK_SECONDS / 2)
    last = await storage.commit("/registry/a", b"", 0)
    await clock.advance(WINDOW_SECONDS + 2 * CHECK_SECONDS)
    task.cancel()
    assert tried == [last - 1, last, last][: len(tried)]
    assert len(tried) > 1
