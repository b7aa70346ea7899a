"""The garbage collector waits while something large is built, and is afterwards as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from pilothouse.kit.offload import collector_waiting


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_waits_until_the_last_has_built() -> None:
    with collector_waiting():
        assert not gc.isenabled()
        with collector_waiting():
            assert not gc.isenabled()
        assert not gc.isenabled(), "another still builds"
    assert gc.isenabled()


def test_a_failure_does_not_leave_the_collector_off() -> None:
    with pytest.raises(KeyError), collector_waiting():
        raise KeyError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with collector_waiting():
        pass
    assert not gc.isenabled()
