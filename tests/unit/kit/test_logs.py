"""How a log line reads."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.kit.logs import KeyValueFormatter


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(KeyValueFormatter())
    log.addHandler(handler)
    yield stream
    log.removeHandler(handler)


log = logging.getLogger("pilothouse.somewhere")


@pytest.mark.parametrize(
    ("values", "end"),
    [
        pytest.param({}, ": node registered\n", id="a message alone"),
        pytest.param({"node": "a", "port": 10250}, ": node registered node=a port=10250\n", id="key-values in their order"),
        pytest.param({"error": "no route to host"}, ': node registered error="no route to host"\n', id="spaces are quoted"),
        pytest.param({"error": 'a "b"\nc'}, ': node registered error="a \\"b\\"\\nc"\n', id="one line whatever the value holds"),
        pytest.param({"key": ""}, ': node registered key=""\n', id="nothing is seen to be nothing"),
        pytest.param({"key": ("default", "web")}, ": node registered key=default/web\n", id="a namespace and a name"),
        pytest.param({"uid": None}, ": node registered uid=None\n", id="no value"),
    ],
)
def test_key_values_follow_the_message(lines: io.StringIO, values: dict[str, Any], end: str) -> None:
    log.warning("node registered", extra=values)
    assert lines.getvalue().endswith(f" WARNING pilothouse.somewhere{end}")


def test_long_values_are_cut(lines: io.StringIO) -> None:
    log.warning("sent", extra={"body": "x" * 100_000})
    assert len(lines.getvalue()) < 3000


def test_a_traceback_follows_the_key_values(lines: io.StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed", extra={"pod": "p"})
    first, *rest = lines.getvalue().splitlines()
    assert first.endswith(": failed pod=p")
    assert rest[-1] == "ValueError: broken"
