"""AuthorizationConfigurations that upstream's server of 1.37 does not start with, and what it says then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.apiserver.auth.configuration.authorization import authorization_in

TABLE = json.loads((Path(__file__).parent / "tables" / "refused_authorization_configurations.json").read_text())


@pytest.mark.parametrize("row", TABLE, ids=[row["case"] for row in TABLE])
def test_a_configuration_is_refused_as_upstream_does(tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("{}")
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        authorization_in(row["file"].replace("KUBECONFIG", str(path)).encode())
    assert str(caught.value).replace(str(path), "KUBECONFIG") == row["error"]
