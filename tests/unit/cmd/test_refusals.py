from __future__ import annotations

import errno
import os
import sqlite3

import pytest

from pilothouse.cmd.refusals import explanation
from pilothouse.machinery.errors import internal_error
from pilothouse.node.supervisor import ContainerdFailure


def refused(number: int, file: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), file) if file else OSError(number, os.strerror(number))


def raised_from(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


ROOM = "make room on that disk (df -h shows it), then run it again"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(refused(errno.ENOSPC), f"No space left on device; {ROOM}", id="no room"),
        pytest.param(refused(errno.ENOSPC, "/x"), f"/x: No space left on device; {ROOM}", id="no room for a file"),
        pytest.param(ExceptionGroup("tasks", [ValueError(), refused(errno.ENOSPC)]), f"No space left on device; {ROOM}", id="in a group"),
        pytest.param(
            raised_from(internal_error("the store cannot write"), sqlite3.OperationalError("database or disk is full")),
            f"the disk is full; {ROOM}",
            id="SQLite's own words",
        ),
        pytest.param(
            ContainerdFailure("the local images cannot be imported: ctr: write /x: no space left on device"),
            f"the disk is full; {ROOM}",
            id="containerd's own words",
        ),
        pytest.param(
            ContainerdFailure("containerd does not start; its log: /x"), "containerd does not start; its log: /x", id="containerd"
        ),
        pytest.param(
            refused(errno.EADDRINUSE),
            "Address already in use; another program listens there (ss -ltnp shows it): end it, or choose another --port",
            id="a port that is taken",
        ),
        pytest.param(refused(errno.ENOENT, "/x"), "", id="a file that is not there is no refusal"),
        pytest.param(ValueError("a bug"), "", id="a bug"),
    ],
)
def test_what_lies_behind_an_error_is_explained(error: Exception, expected: str) -> None:
    assert explanation(error) == expected
