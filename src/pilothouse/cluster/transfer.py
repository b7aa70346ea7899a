"""`pilothouse store export` and `import`: a cluster's SQLite file to etcd, and back. The API servers of both must be stopped.

- A target that has objects is refused: nothing is merged, nothing overwritten.
- A file comes into being whole or not at all: it is written under another name. Its revisions go on from etcd's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from pilothouse.apiserver.storage import sqlite_schema
from pilothouse.apiserver.storage.etcd import EtcdStorage
from pilothouse.apiserver.storage.etcd_client import BadServers, EtcdServers
from pilothouse.apiserver.storage.interface import Storage, StorageFailed
from pilothouse.apiserver.storage.sqlite import SqliteStorage, StoreInUse
from pilothouse.apiserver.storage.sqlite_schema import StoreUnusable
from pilothouse.apiserver.storage.transfer import Incomplete, TargetNotEmpty, Transferred, transfer
from pilothouse.cluster.failure import ClusterFailure

T = TypeVar("T")
BESIDE = ("", "-wal", "-shm", ".lock")
"""What SQLite and its driver have beside a file."""


def export_store(file: Path, servers: EtcdServers) -> Transferred:
    """Write the objects of a store's file to etcd. ClusterFailure."""
    if not file.exists():
        raise ClusterFailure(f"there is no store {file}", "name the file with --file, or the cluster with --name")
    return _run(_transferred(lambda: SqliteStorage(file), lambda: EtcdStorage(servers)), servers)


def import_store(file: Path, servers: EtcdServers) -> Transferred:
    """Write the objects in etcd to a new store's file. ClusterFailure."""
    if file.exists():
        raise ClusterFailure(f"there is a store {file} already", "import into a cluster that has none: pilothouse down --purge, or --file")
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.importing")
    _remove(new)
    try:
        done = _run(_transferred(lambda: EtcdStorage(servers), lambda: SqliteStorage(new)), servers)
        with closing(sqlite_schema.connect(new)) as connection:
            sqlite_schema.mark_compacted(connection, done.revision)
        new.rename(file)
    finally:
        _remove(new)
    return done


async def _transferred(open_source: Callable[[], Storage], open_target: Callable[[], Storage]) -> Transferred:
    """Open both stores, write all of the one to the other, and close them."""
    source = open_source()
    try:
        target = open_target()
        try:
            return await transfer(source, target)
        finally:
            await target.close()
    finally:
        await source.close()


def _remove(file: Path) -> None:
    for suffix in BESIDE:
        with suppress(FileNotFoundError):
            file.with_name(file.name + suffix).unlink()


def _run(work: Coroutine[None, None, T], servers: EtcdServers) -> T:
    """The result of the work; ClusterFailure for what is known to go wrong."""
    try:
        return asyncio.run(work)
    except BadServers as error:
        raise ClusterFailure(str(error)) from error
    except TargetNotEmpty as error:
        problem = f"etcd has objects below {servers.prefix} already, {error.key} for instance: nothing was written"
        raise ClusterFailure(problem, "take an etcd that is empty, or another --etcd-prefix") from error
    except StoreInUse as error:
        raise ClusterFailure(str(error), "stop the cluster first: pilothouse down") from error
    except StoreUnusable as error:
        raise ClusterFailure(str(error)) from error
    except (StorageFailed, Incomplete) as error:
        problem = f"not everything was written: {error}"
        raise ClusterFailure(problem, "see that etcd answers, remove what was written there, and try again") from error
