"""What hinders the control plane from starting is said in one line that tells what to do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pilothouse.apiserver.storage.sqlite_schema import StoreUnusable
from pilothouse.cluster.state import Places
from pilothouse.cmd import controlplane


def test_a_store_that_cannot_be_used_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refusing(state: Any, places: Any) -> None:
        raise StoreUnusable("the store cannot be used: file is not a database")

    monkeypatch.setattr(controlplane, "ControlPlane", refusing)
    with pytest.raises(SystemExit, match=r"^the store cannot be used: file is not a database; .*down --purge --name here$"):
        controlplane.made(cast(Any, SimpleNamespace(name="here")), Places("here", tmp_path))
