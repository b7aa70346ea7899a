"""`--seeds N`: how many histories the simulation plays; `make simulate` plays many."""

from __future__ import annotations

import pytest

from tests.decisions import no_component_is_refused

__all__ = ["no_component_is_refused"]

DEFAULT_SEEDS = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=DEFAULT_SEEDS, help="how many seeds tests/simulation plays")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--seeds", default=DEFAULT_SEEDS)))
