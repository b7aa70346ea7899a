"""What is SQLite's own: its file, its batches, its failures."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from pilothouse.apiserver.storage import sqlite_schema
from pilothouse.apiserver.storage.interface import Event, StorageFailed
from pilothouse.apiserver.storage.sqlite import SqliteStorage, StoreInUse


async def test_a_file_has_one_owner(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "store")
    with pytest.raises(StoreInUse, match="is in use by another process"):
        SqliteStorage(tmp_path / "store")
    await storage.close()
    await SqliteStorage(tmp_path / "store").close()


async def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    await SqliteStorage(tmp_path / "store").close()
    connection = sqlite3.connect(tmp_path / "store")
    connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema'")
    connection.commit()
    connection.close()
    with pytest.raises(sqlite_schema.UnknownSchema):
        SqliteStorage(tmp_path / "store")


async def test_keys_of_schema_1_are_moved_to_where_upstream_has_them(tmp_path: Path) -> None:
    moved = {
        "/registry/services/default/a": "/registry/services/specs/default/a",
        "/registry/endpoints/default/a": "/registry/services/endpoints/default/a",
        "/registry/nodes/n1": "/registry/minions/n1",
        "/registry/replicationcontrollers/default/a": "/registry/controllers/default/a",
        "/registry/networking.k8s.io/ingresses/default/a": "/registry/ingress/default/a",
        "/registry/networking.k8s.io/networkpolicies/default/a": "/registry/networkpolicies/default/a",
        "/registry/apps/deployments/default/a": "/registry/deployments/default/a",
        "/registry/pods/apps/a": "/registry/pods/apps/a",
        "/registry/apiextensions.k8s.io/customresourcedefinitions/a": "/registry/apiextensions.k8s.io/customresourcedefinitions/a",
        "/registry/gateway.networking.k8s.io/gateways/default/a": "/registry/gateway.networking.k8s.io/gateways/default/a",
    }
    storage = SqliteStorage(tmp_path / "store")
    revisions = [await storage.commit(key, key.encode(), 0) for key in moved]
    await storage.close()
    connection = sqlite3.connect(tmp_path / "store")
    connection.execute("UPDATE meta SET value = 1 WHERE name = 'schema'")
    connection.commit()
    connection.close()
    for _ in range(2):  # the second time there is nothing left to move
        storage = SqliteStorage(tmp_path / "store")
        items = (await storage.range("/registry/")).items
        assert sorted((item.key, item.value) for item in items) == sorted((new, old.encode()) for old, new in moved.items())
        assert sorted(item.revision for item in items) == revisions
        await storage.close()


async def test_waiting_writes_are_committed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    insert = sqlite_schema.insert

    def counted(connection: sqlite3.Connection, events: list[Event]) -> None:
        batches.append(len(events))
        insert(connection, events)

    monkeypatch.setattr(sqlite_schema, "insert", counted)
    storage = SqliteStorage(tmp_path / "store")
    await asyncio.gather(*(storage.commit(f"/registry/things/{number}", b"x", 0) for number in range(200)))
    assert sum(batches) == 200
    assert len(batches) < 100
    await storage.close()


async def test_after_a_failure_the_store_goes_on_from_what_the_disk_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = SqliteStorage(tmp_path / "store")
    first = await storage.commit("/registry/things/a", b"1", 0)
    insert = sqlite_schema.insert

    def full(connection: sqlite3.Connection, events: list[Event]) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite_schema, "insert", full)
    results = await asyncio.gather(
        storage.commit("/registry/things/a", b"2", first), storage.commit("/registry/things/b", b"1", 0), return_exceptions=True
    )
    assert [type(one) for one in results] == [StorageFailed, StorageFailed]
    monkeypatch.setattr(sqlite_schema, "insert", insert)
    assert await storage.commit("/registry/things/a", b"3", first) == first + 1
    assert await storage.commit("/registry/things/b", b"1", 0) == first + 2
    assert [one.value for one in (await storage.range("/registry/things/")).items] == [b"3", b"1"]
    await storage.close()


async def test_compaction_frees_what_nobody_can_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.apiserver.storage.sqlite.COMPACTION_ROWS", 7)
    storage = SqliteStorage(tmp_path / "store")
    for number in range(40):
        await storage.commit("/registry/things/a", b"%d" % number, None)
    await storage.commit("/registry/things/b", b"", 0)
    await storage.commit("/registry/things/b", None, None)
    await storage.compact(await storage.revision())
    await storage.close()
    connection = sqlite3.connect(tmp_path / "store")
    assert connection.execute("SELECT key, value FROM entry").fetchall() == [("/registry/things/a", b"39")]
    connection.close()


async def test_more_than_one_statement_takes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.apiserver.storage.sqlite_writer.STATEMENT_LIMIT", 7)
    storage = SqliteStorage(tmp_path / "store")
    revisions = await asyncio.gather(*(storage.commit(f"/registry/things/{number:03}", b"x", 0) for number in range(50)))
    assert list(revisions) == list(range(2, 52))
    assert len((await storage.range("/registry/things/")).items) == 50
    await storage.close()


async def test_what_was_committed_before_the_end_is_kept(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "store")
    writing = asyncio.ensure_future(storage.commit("/registry/things/a", b"x", 0))
    await asyncio.sleep(0)
    await storage.close()
    assert await writing == 2


async def test_nobody_else_reads_the_file(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "store")
    await storage.commit("/registry/secrets/default/a", b"x", 0)
    for name in ("store", "store-wal", "store-shm"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0
    await storage.close()


@pytest.mark.parametrize("how", ["removed", "emptied", "replaced"])
async def test_a_file_that_goes_while_it_is_used_takes_no_writes(tmp_path: Path, how: str) -> None:
    path = tmp_path / "store"
    storage = SqliteStorage(path)
    revision = await storage.commit("/a", b"1", None)
    kept = path.read_bytes()
    if how == "emptied":
        path.write_bytes(b"")
    else:
        path.rename(tmp_path / "aside")
        if how == "replaced":
            path.write_bytes(kept)
    with pytest.raises(StorageFailed, match="put a copy of it back"):
        await storage.commit("/a", b"2", None)
    if how == "emptied":
        path.write_bytes(kept)
    else:
        (tmp_path / "aside").rename(path)
    assert await storage.commit("/a", b"2", revision) == revision + 1, "it goes on by itself"
    await storage.close()


def test_a_new_file_is_not_empty_from_the_first_moment(tmp_path: Path) -> None:
    """An empty one is taken for a store that somebody emptied (cluster/store.py)."""
    connection = sqlite_schema.connect(tmp_path / "store")
    sqlite_schema.prepare(connection)
    assert (tmp_path / "store").stat().st_size > 0
    connection.close()
