"""Which revisions of a set are forgotten."""

from __future__ import annotations

import pytest

from pilothouse.api.types.apps_v1 import ControllerRevision
from pilothouse.controllers.framework.actions import Delete
from pilothouse.controllers.histories import HASH_LABEL, History, clean_up
from pilothouse.machinery.meta_v1 import ObjectMeta


def revision(number: int) -> ControllerRevision:
    return ControllerRevision(metadata=ObjectMeta(name=f"r{number}", labels={HASH_LABEL: f"h{number}"}), revision=number)


@pytest.mark.parametrize(
    ("limit", "used", "counting_used", "gone"),
    [
        (2, set(), False, ["r1"]),
        (3, set(), False, []),
        (None, set(), False, []),
        (0, {"h2"}, False, ["r1", "r3"]),
        (0, {"r2"}, False, ["r1", "r3"]),
        (1, {"h1"}, False, ["r2"]),
        (1, {"h1"}, True, ["r2", "r3"]),
        (2, {"h1", "h2"}, True, ["r3"]),
    ],
)
def test_the_oldest_that_nobody_has_go(limit: int | None, used: set[str], counting_used: bool, gone: list[str]) -> None:
    history = History(revision(4), [revision(1), revision(2), revision(3)])
    actions = clean_up(history, used, limit, counting_used=counting_used)
    assert [one.object.metadata.name for one in actions if isinstance(one, Delete)] == gone
