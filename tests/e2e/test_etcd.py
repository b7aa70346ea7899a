"""Two API servers on one etcd, as processes, with kubectl: what each shows, and what happens when etcd ends and comes back."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tools import Kubectl, until
from tests.etcd_server import EtcdServer, free_ports

SECONDS = 120.0
TOKENS = 'secret,admin,1,"system:masters"\n'
WIDGETS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@dataclass
class Server:
    """One API server, its kubectl and its log."""

    kubectl: Kubectl
    log: Path
    process: subprocess.Popen[bytes]


@dataclass
class Two:
    """Two API servers on one etcd."""

    etcd: EtcdServer
    one: Kubectl
    other: Kubectl
    servers: list[Server]


def started(folder: Path, name: str, etcd: EtcdServer) -> Server:
    (port,) = free_ports(1)
    tokens, log = folder / "tokens.csv", folder / f"{name}.log"
    tokens.write_text(TOKENS)
    arguments = [
        *("--etcd-servers", etcd.url, "--bind-address", "127.0.0.1", "--secure-port", str(port)),
        *("--cert-dir", str(folder / name), "--token-auth-file", str(tokens)),
    ]
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-m", "pilothouse", "apiserver", *arguments], stdout=file, stderr=file)
    kubeconfig = folder / f"{name}.kubeconfig"
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a", "cluster": cluster}],
        "users": [{"name": "a", "user": {"token": "secret"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    kubeconfig.write_text(json.dumps(config))
    binary = shutil.which("kubectl")
    assert binary
    return Server(Kubectl(Path(binary), kubeconfig), log, process)


def ready(kubectl: Kubectl) -> bool:
    return kubectl.run("get", "--raw", "/readyz").stdout == "ok"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("etcd")
    etcd = EtcdServer(folder / "etcd").start()
    servers = [started(folder, name, etcd) for name in ("one", "other")]
    try:
        for server in servers:
            until(server.log.read_text(), lambda server=server: ready(server.kubectl), SECONDS)  # type: ignore[misc]
        yield Two(etcd, servers[0].kubectl, servers[1].kubectl, servers)
        for server in servers:
            assert server.process.poll() is None, server.log.read_text()
            assert "Traceback" not in server.log.read_text()
    finally:
        for server in servers:
            server.process.send_signal(signal.SIGTERM)
        for server in servers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(30)
            server.process.kill()
        etcd.kill()


def test_each_shows_at_once_what_the_other_has_written(two: Two) -> None:
    for number in range(5):
        two.one("create", "configmap", f"c-{number}", "--from-literal=a=b")
        assert two.other.get("configmap", f"c-{number}")["data"] == {"a": "b"}
    two.other("delete", "configmap", "c-0")
    assert "NotFound" in two.one.fails("get", "configmap", "c-0")
    assert len(two.one("get", "configmaps", "-o", "name").split()) == len(two.other("get", "configmaps", "-o", "name").split())


def test_a_watch_at_one_shows_the_writes_at_the_other(two: Two) -> None:
    watching = subprocess.Popen(
        two.other.command("get", "secrets", "--watch", "-o", "name"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    seen: list[str] = []
    assert watching.stdout is not None
    reader = threading.Thread(target=seen.extend, args=(watching.stdout,), daemon=True)
    reader.start()
    try:
        until("a secret is made", lambda: two.one.run("create", "secret", "generic", "seen", "--from-literal=a=b").returncode == 0, SECONDS)
        two.one("label", "secret", "seen", "a=b")
        until("the watch shows something", lambda: bool(seen), SECONDS)
        two.one("delete", "secret", "seen")
    finally:
        watching.kill()
        watching.wait()
    assert set(seen) == {"secret/seen\n"}


def test_a_definition_that_is_made_at_one_is_served_by_the_other(two: Two) -> None:
    two.one.apply(WIDGETS)
    two.one("wait", "--for=condition=Established", "crd/widgets.example.com")
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}}
    until("the other serves it", lambda: two.other.run("get", "widgets.example.com").returncode == 0, SECONDS)
    two.other("apply", "-f", "-", stdin=json.dumps({**widget, "metadata": {"name": "w", "namespace": "default"}}))
    assert two.one.get("widgets.example.com", "w")["spec"] == {"size": 3}
    two.one("delete", "crd", "widgets.example.com")
    until("the other no longer serves it", lambda: two.other.run("get", "widgets.example.com").returncode != 0, SECONDS)


def test_addresses_differ_whoever_gives_them(two: Two) -> None:
    def make(kubectl: Kubectl, name: str) -> None:
        kubectl("create", "service", "nodeport", name, "--tcp=80")

    threads = [
        threading.Thread(target=make, args=(kubectl, f"{which}-{number}"))
        for which, kubectl in (("one", two.one), ("other", two.other))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    specs = [item["spec"] for item in two.one.get("services")["items"] if item["metadata"]["name"] != "kubernetes"]
    assert len(specs) == 8
    assert len({spec["clusterIP"] for spec in specs}) == 8
    assert len({spec["ports"][0]["nodePort"] for spec in specs}) == 8


def test_reads_from_the_cache_go_on_without_etcd_and_writes_come_back_with_it(two: Two) -> None:
    two.one("create", "configmap", "kept", "--from-literal=a=b")
    assert two.other.get("configmap", "kept")["data"] == {"a": "b"}
    two.etcd.kill()
    until("it is not ready without etcd", lambda: not ready(two.one), SECONDS)
    shown = json.loads(two.one("get", "--raw", "/api/v1/namespaces/default/configmaps?resourceVersion=0"))
    assert "kept" in [item["metadata"]["name"] for item in shown["items"]]
    writing = threading.Thread(target=lambda: two.one("create", "configmap", "waited"))
    writing.start()
    time.sleep(1)
    two.etcd.start()
    writing.join()
    for kubectl in (two.one, two.other):
        until("it is ready again", lambda kubectl=kubectl: ready(kubectl), SECONDS)  # type: ignore[misc]
        assert kubectl.get("configmap", "waited")["metadata"]["name"] == "waited"
        assert kubectl.get("configmap", "kept")["data"] == {"a": "b"}
    two.other("create", "configmap", "after")
    assert two.one.get("configmap", "after")["metadata"]["name"] == "after"


def test_a_server_that_ends_and_starts_again_finds_everything(two: Two) -> None:
    server = two.servers[1]
    server.process.kill()
    server.process.wait()
    two.one("create", "configmap", "meanwhile")
    again = started(server.log.parent, "third", two.etcd)
    two.servers[1] = again
    until(again.log.read_text(), lambda: ready(again.kubectl), SECONDS)
    two.other = again.kubectl
    assert again.kubectl.get("configmap", "meanwhile")["metadata"]["name"] == "meanwhile"
    assert "Traceback" not in server.log.read_text()
