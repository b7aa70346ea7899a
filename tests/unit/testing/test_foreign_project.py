"""The fixture `cluster` in somebody else's project, which has pytest and this package and nothing of what this project is made with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = """
import sys

MISSING = {"dns", "hypothesis", "importlinter", "kopf", "kr8s", "kubernetes", "kubernetes_asyncio", "kubernetes_validate", "lightkube"}
MISSING |= {"mypy", "pytest_asyncio", "xdist", "tests"}


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing())
"""
TEST = """
import ssl
import urllib.request

import pytest

from pilothouse.api.types.core_v1 import Node, Pod

POD = "apiVersion: v1\\nkind: Pod\\nmetadata: {name: web}\\nspec: {containers: [{name: app, image: 'web:1'}]}"


@pytest.mark.cluster(nodes=2, seed=7)
def test_my_pod_runs(cluster):
    cluster.apply(POD)
    cluster.advance("10s")
    assert cluster.get(Pod, "web").status.phase == "Running"
    assert len(cluster.list(Node)) == 2
    assert cluster.kubeconfig.read_text()


def test_what_does_not_exist_is_seen_as_such():
    with pytest.raises(ImportError):
        import kubernetes
"""


def test_a_project_that_has_only_pytest(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TEST)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "pilothouse.testing.pytest_plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert not done.stderr
