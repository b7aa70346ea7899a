"""A store's file to etcd and back, by the command."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.apiserver.storage.etcd import EtcdStorage
from pilothouse.apiserver.storage.etcd_client import EtcdServers
from pilothouse.apiserver.storage.interface import Storage
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.cluster import transfer
from pilothouse.cmd.pilothouse import main
from tests.etcd_server import EtcdServer

OBJECTS = {f"/registry/things/{number:04}": b"%d" % number for number in range(1234)} | {"/registry/events/a/b": b"{}"}


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    server = EtcdServer(tmp_path / "etcd").start()
    yield server
    server.kill()


async def filled(storage: Storage) -> int:
    """Write OBJECTS, and some that are changed and deleted again; the newest revision."""
    await storage.create(OBJECTS)
    await storage.commit("/registry/things/gone", b"", 0)
    await storage.commit("/registry/things/gone", None, None)
    revision = await storage.revision()
    await storage.close()
    return revision


async def contents(storage: Storage) -> tuple[dict[str, bytes], int]:
    found = (await storage.range("/registry/")).items
    revision = await storage.revision()
    await storage.close()
    return {item.key: item.value for item in found}, revision


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and everything that the command prints."""
    with pytest.raises(SystemExit) as ended:
        main(["store", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def of_file(path: Path) -> tuple[dict[str, bytes], int]:
    async def read() -> tuple[dict[str, bytes], int]:
        return await contents(SqliteStorage(path))

    return asyncio.run(read())


def test_what_is_exported_and_imported_is_the_same(tmp_path: Path, etcd: EtcdServer, capsys: pytest.CaptureFixture[str]) -> None:
    async def fill() -> int:
        return await filled(SqliteStorage(tmp_path / "a.db"))

    async def in_etcd() -> tuple[dict[str, bytes], int]:
        return await contents(EtcdStorage(EtcdServers((etcd.url,), prefix="/p")))

    revision = asyncio.run(fill())
    where = ("--etcd-servers", etcd.url, "--etcd-prefix", "/p", "--file")
    code, text = run(capsys, "export", *where, str(tmp_path / "a.db"))
    assert (code, f"{len(OBJECTS)} objects" in text, f"at revision {revision}" in text) == (0, True, True), text
    there, newest = asyncio.run(in_etcd())
    assert there == OBJECTS
    code, text = run(capsys, "import", *where, str(tmp_path / "new" / "b.db"))
    assert code == 0, text
    objects, now = of_file(tmp_path / "new" / "b.db")
    assert objects == OBJECTS
    assert now >= newest, "revisions go on from etcd's"
    assert [path.name for path in (tmp_path / "new").glob("*importing*")] == []


def test_a_target_that_has_objects_is_refused(tmp_path: Path, etcd: EtcdServer, capsys: pytest.CaptureFixture[str]) -> None:
    async def fill() -> None:
        await filled(SqliteStorage(tmp_path / "a.db"))
        other = EtcdStorage(EtcdServers((etcd.url,)))
        await other.commit("/registry/pods/default/p", b"{}", 0)
        await other.close()

    asyncio.run(fill())
    code, text = run(capsys, "export", "--etcd-servers", etcd.url, "--file", str(tmp_path / "a.db"))
    assert (code, "etcd has objects below /registry already, /registry/pods/default/p for instance" in text) == (1, True), text
    code, text = run(capsys, "import", "--etcd-servers", etcd.url, "--file", str(tmp_path / "a.db"))
    assert (code, f"there is a store {tmp_path / 'a.db'} already" in text) == (1, True), text
    assert of_file(tmp_path / "a.db")[0] == OBJECTS


def test_a_store_in_use_is_not_exported(tmp_path: Path, etcd: EtcdServer, capsys: pytest.CaptureFixture[str]) -> None:
    async def fill() -> None:
        await filled(SqliteStorage(tmp_path / "a.db"))

    asyncio.run(fill())
    with (tmp_path / "a.db.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, text = run(capsys, "export", "--etcd-servers", etcd.url, "--file", str(tmp_path / "a.db"))
    assert (code, "is in use by another process" in text, "pilothouse down" in text) == (1, True, True), text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--etcd-servers", "ftp://a"), "the scheme ftp is not known"),
        (("--etcd-servers", "https://a:1", "--etcd-cafile", "/nowhere"), "/nowhere: No such file"),
        (("--etcd-servers", ","), "--etcd-servers must be specified"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], problem: str) -> None:
    code, text = run(capsys, "import", *arguments, "--file", str(tmp_path / "a.db"))
    assert (code, problem in text) == (1, True), text
    assert list(tmp_path.iterdir()) == []
    code, text = run(capsys, "export", *arguments, "--file", str(tmp_path / "a.db"))
    assert (code, "there is no store" in text) == (1, True), text


def test_an_import_into_a_file_goes_on_above_the_revision_that_clients_know(tmp_path: Path, etcd: EtcdServer) -> None:
    async def fill() -> int:
        storage = EtcdStorage(EtcdServers((etcd.url,)))
        for number in range(50):
            revision = await storage.commit("/registry/things/a", b"%d" % number, None)
        await storage.close()
        return revision

    revision = asyncio.run(fill())
    done = transfer.import_store(tmp_path / "a.db", EtcdServers((etcd.url,)))
    assert (done.count, done.revision) == (1, revision)
    assert of_file(tmp_path / "a.db") == ({"/registry/things/a": b"49"}, revision)
