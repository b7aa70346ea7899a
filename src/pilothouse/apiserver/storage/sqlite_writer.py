"""The writer thread of the SQLite store.

- Takes everything that waits (BATCH_LIMIT at most), writes it in one transaction, says so, takes again.
- One statement a batch: each call into SQLite gives the interpreter's lock away and has to win it back.
- After a failure it drops what waits until it is told to `resume`: a later write must not overtake a lost one.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence

from pilothouse.apiserver.storage import sqlite_schema as schema
from pilothouse.apiserver.storage.interface import Event

BATCH_LIMIT = 256
"""No more is added to a batch of this size; what was handed over together stays together."""
STATEMENT_LIMIT = 1_000
"""Rows of one statement: SQLite knows at most 32,766 parameters."""


class Write:
    """One write on its way; known by identity."""

    __slots__ = ("event", "generation")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.generation = 0


Work = Callable[[sqlite3.Connection], None]


class Writer:
    """`said(writes, error)` is called on the writer's thread after each batch; `check` before it, and refuses it by an exception."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        said: Callable[[Sequence[Write], Exception | None], object],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._said = said
        self._check = check
        self._queue: queue.SimpleQueue[list[Write] | Work | None] = queue.SimpleQueue()
        self._generation = 0  # as the loop counts failures
        self._failed = -1  # the last generation that failed, as the thread knows it
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def add(self, writes: list[Write]) -> None:
        """Hand writes over, in their order; the list is the writer's from now on."""
        for write in writes:
            write.generation = self._generation
        self._queue.put(writes)

    def do(self, work: Work) -> None:
        """Run something on the thread, between batches."""
        self._queue.put(work)

    def resume(self) -> None:
        """What is added from now on is to be written again."""
        self._generation += 1

    def close(self) -> None:
        """Return when everything that was added is written."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            batch, other = self._take()
            if batch:
                self._write(batch)
            if other is None:
                return
            if other is not _NOTHING:
                other(self._connection)

    def _take(self) -> tuple[list[Write], Work | None]:
        """The writes that wait, and what stopped the taking."""
        batch: list[Write] = []
        work = self._queue.get()
        while isinstance(work, list):
            batch += [write for write in work if write.generation > self._failed]
            if len(batch) >= BATCH_LIMIT:
                return batch, _NOTHING
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                return batch, _NOTHING
        return batch, work

    def _write(self, batch: list[Write]) -> None:
        for start in range(0, len(batch), STATEMENT_LIMIT):
            part = batch[start : start + STATEMENT_LIMIT]
            try:
                self._check()
                schema.insert(self._connection, [write.event for write in part])
            except Exception as error:  # whatever it is: a thread that ended would leave all who write waiting for ever
                self._failed = part[-1].generation
                self._said(part, error)
                return
            self._said(part, None)


def _NOTHING(connection: sqlite3.Connection) -> None:
    """Nothing stopped the taking."""
