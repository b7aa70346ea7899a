"""Fixtures of the end-to-end tests: they need root and the packages that tools/bootstrap.py installs, and say so."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.tools import Kubectl, kubectls, pilothouse

NAME = f"e2e-{os.getpid()}"
NAMESPACES = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of a real cluster that the whole run shares; gone with all its traces at the end."""
    assert os.geteuid() == 0, "end-to-end tests need root: run `make e2e`"
    path = tmp_path_factory.mktemp("e2e") / "kubeconfig"
    environment = {"KUBECONFIG": str(path)}
    pilothouse("down", "--purge", "--name", NAME, environment=environment)
    try:
        up = pilothouse("up", "--no-egress", "--name", NAME, environment=environment)
        assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
        yield path
    finally:  # also after an `up` that failed half-way
        down = pilothouse("down", "--purge", "--name", NAME, environment=environment)
    assert down.returncode == 0, f"{down.stdout}\n{down.stderr}"


@pytest.fixture
def namespace(kubeconfig: Path) -> Iterator[str]:
    """A namespace of its own for this test."""
    kubectl, name = Kubectl(kubectls()["path"], kubeconfig), f"test-{next(NAMESPACES)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def kubectl(kubeconfig: Path, namespace: str) -> Kubectl:
    """The kubectl on PATH, in this test's namespace."""
    return Kubectl(kubectls()["path"], kubeconfig, namespace)
