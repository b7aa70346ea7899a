from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pilothouse.cluster import store
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import Places


@pytest.mark.parametrize(
    ("made", "content", "expected"),
    [
        pytest.param(False, None, "", id="a new cluster"),
        pytest.param(False, b"", "", id="made by somebody before the first start"),
        pytest.param(False, b"SQLite", "", id="of a cluster from before there was a mark"),
        pytest.param(True, b"SQLite", "", id="as it should be"),
        pytest.param(True, None, "is missing", id="missing"),
        pytest.param(True, b"", "is empty", id="emptied"),
    ],
)
def test_a_store_that_was_there_is_not_made_anew(tmp_path: Path, made: bool, content: bytes | None, expected: str) -> None:
    places = Places("dev", tmp_path)
    places.state.mkdir(parents=True)
    if made:
        store.mark_made(places)
    if content is not None:
        places.store.write_bytes(content)
    if not expected:
        store.check(places)
        return
    with pytest.raises(ClusterFailure, match=expected) as caught:
        store.check(places)
    assert str(places.store) in caught.value.problem
    assert caught.value.remedy.startswith("put a copy of it back, or give up what it held: pilothouse down --purge --name dev")


@pytest.mark.parametrize(("tables", "expected"), [((), False), (("entry",), False), (("entry", "meta"), True)], ids=["none", "one", "both"])
def test_a_database_without_the_tables_of_a_store_is_none(tmp_path: Path, tables: tuple[str, ...], expected: bool) -> None:
    places = Places("dev", tmp_path)
    places.state.mkdir(parents=True)
    store.mark_made(places)
    with closing(sqlite3.connect(places.store)) as connection:
        connection.execute("CREATE TABLE other (name TEXT)")
        for table in tables:
            connection.execute(f"CREATE TABLE {table} (name TEXT)")
        connection.commit()
    if expected:
        store.check(places)
    else:
        with pytest.raises(ClusterFailure, match="holds nothing of this cluster"):
            store.check(places)


def test_a_full_disk_is_a_problem_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places("dev", tmp_path)
    places.state.mkdir(parents=True)
    assert store.problem_of(places) == ""
    store.mark_made(places)
    assert "is missing" in store.problem_of(places)
    places.store.write_bytes(b"SQLite")
    assert store.problem_of(places) == ""
    monkeypatch.setattr(store, "FREE_BYTES", 1 << 60)
    assert "writes fail until there is room" in store.problem_of(places)
