"""Every scenario prints what its file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.testing.scenario import SEPARATOR, play, scenarios, split

HERE = Path(__file__).parent


@pytest.mark.parametrize("path", scenarios(HERE), ids=lambda path: str(path.relative_to(HERE)))
def test_scenario(path: Path, request: pytest.FixtureRequest) -> None:
    steps, expected = split(path.read_text())
    printed = play(path)
    if request.config.getoption("--rewrite-scenarios", default=False):
        path.write_text(f"{steps}\n{SEPARATOR}\n{printed}")
        return
    assert printed == expected
