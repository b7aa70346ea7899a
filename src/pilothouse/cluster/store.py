"""Whether the store of a cluster is still there: one that was made once and is gone, or empty, is never made anew in silence.

The mark `store.made` beside the store says that it was made; it goes with the state (`down --purge`).
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import Places

FREE_BYTES = 16 << 20
"""Less room than this on its disk, and a store takes no more writes."""


def mark_of(places: Places) -> Path:
    """The file that says that a store was made once."""
    return places.state / "store.made"


def mark_made(places: Places) -> None:
    """Called by the control plane once the store is open."""
    mark_of(places).touch()


def check(places: Places) -> None:
    """ClusterFailure when the store was made once and is now missing, empty, or a database without its tables."""
    if not mark_of(places).exists():
        return
    try:
        size = places.store.stat().st_size
    except FileNotFoundError:
        size = -1
    if size <= 0:
        problem = f"the store {places.store} is {'missing' if size < 0 else 'empty'}, though this cluster has had one"
        raise ClusterFailure(problem, remedy_of(places))
    if not has_tables(places.store):
        problem = f"the store {places.store} holds nothing of this cluster, though it has had one: copied without its -wal file?"
        raise ClusterFailure(problem, remedy_of(places))


def problem_of(places: Places) -> str:
    """Why writes to the store of a running cluster fail, or soon will; "" when nothing is known against it."""
    try:
        check(places)
    except ClusterFailure as failure:
        return failure.problem
    free = shutil.disk_usage(places.state).free
    return f"the disk of {places.store} has {free >> 20} MiB left: writes fail until there is room" if free < FREE_BYTES else ""


def has_tables(store: Path) -> bool:
    """Whether the store has its tables; a file that is no database is not judged."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(store))}?mode=rw", uri=True, timeout=1)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('entry', 'meta')").fetchone()
            return bool(count == 2)
    except sqlite3.DatabaseError:
        return True


def remedy_of(places: Places) -> str:
    """What the user can do when the store is missing."""
    return f"put a copy of it back, or give up what it held: pilothouse down --purge --name {places.name}"
