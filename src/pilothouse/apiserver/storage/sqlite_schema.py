"""The tables of the SQLite store and the statements on them; nothing here knows of threads or of the event loop.

entry(revision PRIMARY KEY, key, created, previous, deleted, value)   one row a write; a delete is a row without value
meta(name PRIMARY KEY, value)                                         schema, compacted
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pilothouse.apiserver.storage.interface import FIRST_REVISION, Event
from pilothouse.apiserver.storage.sqlite_layout import MOVED

SCHEMA_VERSION = 2
AFTER_ALL = "\U0010ffff"
COLUMNS = "(revision, key, created, previous, deleted, value)"
CREATE = """
CREATE TABLE IF NOT EXISTS entry (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    value BLOB
);
CREATE INDEX IF NOT EXISTS entry_key ON entry (key, revision, created, deleted);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


PARAMETERS = 1_000
"""Of one statement: SQLite knows at most 32,766."""
WAL_LIMIT_BYTES = 16 * 1024 * 1024
"""What a burst of large writes leaves of the write-ahead log: SQLite's own default keeps it as large as it ever was."""


class StoreUnusable(Exception):
    """The file cannot be opened; the text names it and says why."""


class UnknownSchema(StoreUnusable):
    """The file was written by a later version of Pilothouse, or by something else."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """What goes wrong in opening the file becomes StoreUnusable."""
    try:
        yield
    except UnknownSchema as error:
        raise UnknownSchema(f"the store {path} cannot be used: {error}") from error
    except sqlite3.Error as error:
        raise StoreUnusable(f"the store {path} cannot be used: {error}") from error
    except OSError as error:
        raise StoreUnusable(f"the store {path} cannot be opened: {error.strerror}") from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection that commits by itself and may be handed to another thread."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=300)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=10000")
    connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file; refuse a file with tables of something else."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and not tables & {"entry", "meta"}:
        raise UnknownSchema("it is a database of something else")
    connection.executescript(CREATE)
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?), ('compacted', ?)", (SCHEMA_VERSION, FIRST_REVISION))
    version = _meta(connection, "schema")
    if version == 1:
        move_keys(connection)
    elif version != SCHEMA_VERSION:
        raise UnknownSchema(f"the store has schema {version}, this version knows {SCHEMA_VERSION}")


def move_keys(connection: sqlite3.Connection) -> None:
    """Bring the keys of schema 1 to the layout of upstream's etcd, all or none."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for old, new in MOVED:
            statement = "UPDATE entry SET key = ? || substr(key, ?) WHERE key >= ? AND key < ?"
            connection.execute(statement, (new, len(old) + 1, old, old + AFTER_ALL))
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (SCHEMA_VERSION,))


def _meta(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0]
    return value


def compacted(connection: sqlite3.Connection) -> int:
    """The revision up to which history was compacted; 0 when never."""
    return _meta(connection, "compacted")


def last_revision(connection: sqlite3.Connection) -> int:
    """The newest revision; 0 for an empty store."""
    value: int = connection.execute("SELECT coalesce(max(revision), 0) FROM entry").fetchone()[0]
    return value


def newest(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Key -> (revision, created) of everything that exists; read from the index alone."""
    rows = connection.execute("SELECT key, max(revision), created, deleted FROM entry GROUP BY key")
    return {key: (revision, created) for key, revision, created, deleted in rows if not deleted}


def insert(connection: sqlite3.Connection, events: list[Event]) -> None:
    """Write all or nothing: one statement is one transaction, and one wait for the disk."""
    marks = ",".join(["(?,?,?,?,?,?)"] * len(events))
    values: list[Any] = []
    for event in events:
        values += (event.revision, event.key, event.created, event.previous, event.value is None, event.value)
    connection.execute(f"INSERT INTO entry {COLUMNS} VALUES {marks}", values)


def row_at(connection: sqlite3.Connection, key: str, revision: int) -> tuple[str, bytes, int, int] | None:
    """(key, value, revision, created) of a key as of `revision`; None when it did not exist then."""
    row = connection.execute(
        "SELECT key, value, revision, created FROM entry WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1",
        (key, revision),
    ).fetchone()
    return None if row is None or row[1] is None else row


def rows_at(connection: sqlite3.Connection, prefix: str, start: str, limit: int, revision: int) -> list[tuple[str, bytes, int, int]]:
    """(key, value, revision, created) of the keys below `prefix` from `start` on, as of `revision`, sorted; at most `limit`, all when it
    is -1.
    """
    return connection.execute(
        """SELECT one.key, one.value, one.revision, one.created
           FROM (SELECT max(revision) AS last FROM entry WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key) AS found
           JOIN entry AS one ON one.revision = found.last
           WHERE NOT one.deleted ORDER BY one.key LIMIT ?""",
        (max(prefix, start), prefix + AFTER_ALL, revision, limit),
    ).fetchall()


def rows_between(connection: sqlite3.Connection, prefix: str, after: int, until: int) -> list[tuple[str, bytes | None, int, int, int]]:
    """(key, value, revision, created, previous revision) of the writes below `prefix` after `after` up to `until`, in order; value is
    None for a deletion.
    """
    return connection.execute(
        """SELECT key, value, revision, created, previous FROM entry
           WHERE revision > ? AND revision <= ? AND key >= ? AND key < ? ORDER BY revision""",
        (after, until, prefix, prefix + AFTER_ALL),
    ).fetchall()


def rows_with_previous(connection: sqlite3.Connection, prefix: str, after: int, until: int) -> list[tuple[Any, ...]]:
    """The same rows, each with the value of the revision that it replaced."""
    return connection.execute(
        """SELECT entry.key, entry.value, entry.revision, entry.created, entry.previous, old.value
           FROM entry LEFT JOIN entry AS old ON old.revision = entry.previous
           WHERE entry.revision > ? AND entry.revision <= ? AND entry.key >= ? AND entry.key < ? ORDER BY entry.revision""",
        (after, until, prefix, prefix + AFTER_ALL),
    ).fetchall()


def values_at(connection: sqlite3.Connection, revisions: list[int]) -> dict[int, bytes]:
    """The values that were written at these revisions, of those that are kept."""
    values: dict[int, bytes] = {}
    for start in range(0, len(revisions), PARAMETERS):
        part = revisions[start : start + PARAMETERS]
        marks = ",".join("?" * len(part))
        values.update(connection.execute(f"SELECT revision, value FROM entry WHERE revision IN ({marks})", part))
    return values


def mark_compacted(connection: sqlite3.Connection, revision: int) -> None:
    """Before anything is forgotten: so a revision never goes back, even when the newest write was a delete."""
    connection.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'compacted'", (revision,))


def forget(connection: sqlite3.Connection, revision: int, limit: int) -> int:
    """Forget up to `limit` rows that a look at `revision` or later cannot need; returns how many."""
    done = connection.execute(
        """DELETE FROM entry WHERE revision IN (
               SELECT old.revision FROM entry AS old WHERE old.revision <= ? AND (
                   old.deleted OR EXISTS (
                       SELECT 1 FROM entry AS next WHERE next.key = old.key AND next.revision > old.revision AND next.revision <= ?))
               LIMIT ?)""",
        (revision, revision, limit),
    )
    return done.rowcount
