"""The chart beside this file on a cluster in this process: Helm installs, tests, upgrades, rolls back and uninstalls it.

Containers are simulated, so two processes of the test do what the operator's Pods would: they run its program with the token of its
ServiceAccount, and answer for its Service.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.api.types.authentication_v1 import TokenRequest, TokenRequestSpec
from pilothouse.api.types.coordination_v1 import Lease
from pilothouse.api.types.core_v1 import Pod, Secret, ServiceAccount
from pilothouse.machinery.errors import StatusError
from pilothouse.testing import Behaviour, Cluster

HERE = Path(__file__).parent
HELM = Path(sys.executable).parent / "helm"
PATIENCE_SECONDS = 60
KETTLE = "apiVersion: kitchen.example.com/v1\nkind: Kettle\nmetadata: {name: blue}\nspec: {litres: 2}\n"


def until(holds: Callable[[], Any]) -> Any:
    """What `holds` gives as soon as that is true: operators and Helm work in their own time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if seen := holds():
            return seen
        time.sleep(0.1)
    raise AssertionError("it did not come true")


@pytest.fixture
def helm(cluster: Cluster, tmp_path: Path) -> Callable[..., str]:
    """Helm, with what it prints."""
    cluster.behave("pilothouse.local/busybox:1", Behaviour(run_seconds=0.1))

    def run(*arguments: str) -> str:
        command = [str(HELM), "--kubeconfig", str(cluster.kubeconfig), *arguments]
        environment = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def environment_of(cluster: Cluster, folder: Path, port: int, identity: str) -> dict[str, str]:
    """What the kubelet would give the operator's container."""
    request = TokenRequest(spec=TokenRequestSpec(audiences=[], expirationSeconds=3600))
    token = cluster.run(cluster.client.create_subresource(ServiceAccount, "kettles", "default", "token", request)).status.token
    config = json.loads(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    server = urlsplit(config["server"])
    files = {"token": token.encode(), "namespace": b"default", "ca.crt": Path(config["certificate-authority"]).read_bytes()}
    secret = cluster.get(Secret, "kettles-webhook").data
    for place, contents in (("account", files), ("certificates", {name: base64.b64decode(text) for name, text in secret.items()})):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / place / name).write_bytes(content)
    return {
        **os.environ,
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
        "SERVICE_ACCOUNT": str(folder / "account"),
        "CERTIFICATES": str(folder / "certificates"),
        "WEBHOOK_ADDRESS": "127.0.0.1",
        "WEBHOOK_PORT": str(port),
        "IDENTITY": identity,
    }


@contextmanager
def operator(cluster: Cluster, folder: Path, identity: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A replica of the operator. It answers for the Service when the caller says so."""
    environment = environment_of(cluster, folder, port, identity)
    with subprocess.Popen([sys.executable, str(HERE / "kettles.py"), "run"], env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def leader(cluster: Cluster) -> str:
    return next((lease.spec.holderIdentity or "" for lease in cluster.list(Lease, "default") if lease.metadata.name == "kettles"), "")


def kettle(cluster: Cluster, version: str) -> Any:
    kind = cluster.client.catalogue.by_kind("kitchen.example.com", version, "Kettle")
    assert kind is not None
    return cluster.get(kind.type, "blue").content


def converts(cluster: Cluster) -> bool:
    conversion = cluster.get(CustomResourceDefinition, "kettles.kitchen.example.com").spec.conversion
    return conversion is not None and conversion.strategy == "Webhook"


def test_a_release_from_its_first_day_to_its_last(cluster: Cluster, helm: Callable[..., str]) -> None:
    cluster.behave("pilothouse.local/kettles:1", Behaviour())
    assert "STATUS: deployed" in helm("install", "kettles", str(HERE / "chart"), "--wait", "--timeout", "60s")
    jobs = {pod.metadata.labels["batch.kubernetes.io/job-name"] for pod in cluster.list(Pod) if "job" in str(pod.metadata.labels)}
    assert jobs == {"kettles-pre-install", "kettles-post-install"}
    bundle = cluster.get(Secret, "kettles-webhook").data["ca.crt"]

    helm("upgrade", "kettles", str(HERE / "chart"), "--set", "message=two", "--wait", "--timeout", "60s")
    assert cluster.get(Secret, "kettles-webhook").data["ca.crt"] == bundle
    helm("rollback", "kettles", "1", "--wait", "--timeout", "60s")
    cluster.behave("pilothouse.local/kettles:1", Behaviour(prints=["0 kettles"], run_seconds=0.1))
    assert "0 kettles" in helm("test", "kettles", "--logs", "--timeout", "60s")

    helm("uninstall", "kettles", "--wait", "--timeout", "60s")
    assert cluster.get(CustomResourceDefinition, "kettles.kitchen.example.com")  # Helm leaves definitions alone
    until(lambda: not [pod for pod in cluster.list(Pod) if pod.metadata.labels.get("app") == "kettles"])


def test_the_operator_converts_validates_and_is_relieved(cluster: Cluster, helm: Callable[..., str], tmp_path: Path) -> None:
    helm("install", "kettles", str(HERE / "chart"), "--no-hooks")
    ports = free_port(), free_port()
    with operator(cluster, tmp_path / "a", "a", ports[0]) as first:
        cluster.answer_for("kettles", ports[0])
        until(lambda: leader(cluster) == "a" and converts(cluster))
        with operator(cluster, tmp_path / "b", "b", ports[1]):
            cluster.apply(KETTLE)
            assert kettle(cluster, "v1")["spec"] == {"litres": 2}
            assert kettle(cluster, "v2")["spec"] == {"volume": "2l"}
            until(lambda: kettle(cluster, "v2").get("status") == {"phase": "Full", "keeper": "a"})
            with pytest.raises(StatusError, match="denied the request: a kettle holds 10 litres at most, not 20"):
                cluster.apply(KETTLE.replace("litres: 2", "litres: 20"))

            first.kill()
            cluster.answer_for("kettles", ports[1])
            until(lambda: leader(cluster) == "b")
            cluster.apply(KETTLE.replace("litres: 2", "litres: 0"))
            until(lambda: kettle(cluster, "v1").get("status") == {"phase": "Empty", "keeper": "b"})
