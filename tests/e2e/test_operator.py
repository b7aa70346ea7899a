"""An operator on real containers, installed by Helm from the chart in examples/: its image is made here, its definition has two versions.

The API server, on the node, calls its conversion and admission webhooks through their Service. One replica leads by a Lease; the other
takes over. Everything goes on when the control plane is started again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.node import images
from tests.e2e.conftest import NAME
from tests.e2e.python_image import python_image
from tests.e2e.tools import EXAMPLES, Kubectl, pilothouse, until

HELM = Path(sys.executable).parent / "helm"
FOLDER = EXAMPLES / "operator-chart"
IMAGE = "pilothouse.local/kettles:1"
PATIENCE_SECONDS = 240


def kettle(litres: int, name: str = "blue") -> str:
    return f"apiVersion: kitchen.example.com/v1\nkind: Kettle\nmetadata: {{name: {name}}}\nspec: {{litres: {litres}}}\n"


class Helm:
    """Helm in the namespace of a kubectl."""

    def __init__(self, kubectl: Kubectl, home: Path) -> None:
        self._kubectl, self._home = kubectl, home

    def __call__(self, *arguments: str) -> str:
        command = [str(HELM), "--kubeconfig", str(self._kubectl.kubeconfig), "--namespace", self._kubectl.namespace, *arguments]
        environment = {**os.environ, "HOME": str(self._home)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}\n{self._kubectl.run('get', 'pods,events').stdout}"
        return done.stdout


@pytest.fixture
def helm(kubectl: Kubectl, tmp_path: Path) -> Iterator[Helm]:
    archive = tmp_path / "image.tar"
    archive.write_bytes(images.archive([python_image(IMAGE, FOLDER / "kettles.py")]))
    loaded = pilothouse("image", "load", str(archive), "--name", NAME)
    assert loaded.returncode == 0, loaded.stderr
    yield Helm(kubectl, tmp_path)
    kubectl.run("delete", "crd", "kettles.kitchen.example.com", "--timeout=60s")


def leader(kubectl: Kubectl) -> str:
    return kubectl.run("get", "lease", "kettles", "-o", "jsonpath={.spec.holderIdentity}").stdout


def status(kubectl: Kubectl, name: str = "blue") -> str:
    return kubectl.run("get", "kettles.v2.kitchen.example.com", name, "-o", "jsonpath={.status.phase} {.status.keeper}").stdout


def written(kubectl: Kubectl, manifest: str) -> None:
    """Apply it, as soon as the API server and the webhooks' Service are there."""
    until("it is written", lambda: kubectl.run("apply", "-f", "-", stdin=manifest).returncode == 0)


def control_plane() -> int:
    """The process that serves the API of the cluster of these tests."""
    shown = pilothouse("status", "--name", NAME, "--output", "json")
    pid: int = json.loads(shown.stdout)["processes"]["control-plane"]["pid"]
    return pid


def test_an_operator_with_webhooks_and_a_leader(helm: Helm, kubectl: Kubectl) -> None:
    assert "STATUS: deployed" in helm("install", "kettles", str(FOLDER / "chart"), "--wait", "--timeout", "180s")
    assert kubectl("logs", "job/kettles-pre-install") == "pre-install one\n"
    assert kubectl("logs", "job/kettles-post-install") == "post-install one\n"

    kubectl("wait", "--for=jsonpath={.spec.conversion.strategy}=Webhook", "crd/kettles.kitchen.example.com", "--timeout=60s")
    written(kubectl, kettle(2))
    assert kubectl("get", "kettles.v1.kitchen.example.com", "blue", "-o", "jsonpath={.spec}") == '{"litres":2}'
    assert kubectl("get", "kettles.v2.kitchen.example.com", "blue", "-o", "jsonpath={.spec}") == '{"volume":"2l"}'
    first = until("a replica leads", lambda: leader(kubectl))
    until("the leader keeps the status", lambda: status(kubectl) == f"Full {first}")
    refused = kubectl.fails("apply", "-f", "-", stdin=kettle(20))
    assert 'admission webhook "kettles.kitchen.example.com" denied the request: a kettle holds 10 litres at most, not 20' in refused
    assert "1 kettles" in helm("test", "kettles", "--logs", "--timeout", "60s")

    kubectl("delete", "pod", first, "--grace-period=0", "--force")
    second = until("another leads", lambda: (now := leader(kubectl)) != first and now)
    written(kubectl, kettle(0))
    until("the new leader keeps the status", lambda: status(kubectl) == f"Empty {second}")

    os.kill(control_plane(), signal.SIGKILL)
    written(kubectl, kettle(3, "green"))
    until("a leader keeps the status after the restart", lambda: status(kubectl, "green").startswith("Full kettles-"))
    assert kubectl("get", "kettles.v2.kitchen.example.com", "green", "-o", "jsonpath={.spec.volume}") == "3l"

    helm("upgrade", "kettles", str(FOLDER / "chart"), "--set", "message=two,replicas=1", "--wait", "--timeout", "180s")
    assert kubectl("logs", "job/kettles-pre-upgrade") == "pre-upgrade two\n"
    written(kubectl, kettle(4))
    helm("rollback", "kettles", "1", "--wait", "--timeout", "180s")
    assert kubectl("get", "deployment", "kettles", "-o", "jsonpath={.status.readyReplicas}") == "2"
    assert kubectl("get", "kettles", "-o", "name").split() == ["kettle.kitchen.example.com/blue", "kettle.kitchen.example.com/green"]
    helm("uninstall", "kettles", "--wait", "--timeout", "180s")
    assert kubectl("get", "deployments,services,jobs", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name") == ""
