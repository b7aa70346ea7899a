"""Fixtures of the end-to-end tests. Most need root and the packages that tools/bootstrap.py installs.

Where this machine cannot run containers (no root, no namespaces) or has no kubectl, the files that need them are left out; the run ends
with the list of them and the reason. With CI=true leaving out is a failure.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pilothouse.cluster import doctor
from tests.e2e.tools import Kubectl, kubectls, pilothouse

NAME = f"e2e-{os.getpid()}"
NAMESPACES = itertools.count()


WITHOUT_CONTAINERS = {"test_etcd", "test_clients_kubectl", "test_clients_python", "test_testing_cluster", "test_simulated_runtime"}
WITHOUT_KUBECTL = {"test_simulated_runtime", "test_node_network", "test_proxy_nftables", "test_containerd"}
LEFT_OUT: dict[str, set[str]] = {}
"""Files that are not run, by the reason."""


@cache
def lacking() -> str:
    """What hinders containers here; empty where nothing does."""
    return next((f"{one.problem} ({one.remedy})" for one in doctor.examine() if one.needed and not one.well), "")


def reason_to_leave_out(stem: str) -> str:
    if stem not in WITHOUT_CONTAINERS and lacking():
        return f"no containers: {lacking()}"
    if stem not in WITHOUT_KUBECTL and not shutil.which("kubectl"):
        return "no kubectl on PATH: `pilothouse doctor` says where to get one"
    return ""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if not collection_path.name.startswith("test_") or not (reason := reason_to_leave_out(collection_path.stem)):
        return None
    LEFT_OUT.setdefault(reason, set()).add(collection_path.name)
    return True


def pytest_unconfigure() -> None:
    """The last words of a run."""
    for reason, names in LEFT_OUT.items():
        print(f"\nleft out: {len(names)} files, {', '.join(sorted(names))}\n  because {reason}")
    if LEFT_OUT and in_ci():
        print("CI=true: leaving out is a failure")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if LEFT_OUT and in_ci():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


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
