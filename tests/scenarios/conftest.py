"""`--rewrite-scenarios` writes what the scenarios print into their files, to be read as a diff."""

from __future__ import annotations

import pytest

from tests.decisions import no_component_is_refused

__all__ = ["no_component_is_refused"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-scenarios", action="store_true", help="write what they print into the files")
