"""AuthenticationConfigurations that upstream's server of 1.37 does not start with, and what it says then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.apiserver.auth.serviceaccounts import ISSUER
from pilothouse.cmd.envtest.authentication import jwt_of
from pilothouse.cmd.envtest.flags import Flags
from pilothouse.kit.clock import SystemClock

TABLE = json.loads((Path(__file__).parent / "tables" / "refused_configurations.json").read_text())


@pytest.mark.parametrize("row", TABLE, ids=[row["case"] for row in TABLE])
def test_a_configuration_is_refused_as_upstream_does(tmp_path: Path, row: dict[str, Any]) -> None:
    file = tmp_path / "authentication.yaml"
    file.write_text(row["file"])
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        jwt_of(Flags({"authentication-config": [str(file)]}), (ISSUER,), SystemClock())
    assert str(caught.value).replace(f'"{file}"', '"FILE"') == row["error"]
