"""The executables are started as controller-runtime's envtest starts upstream's: real processes, real files, real TLS."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cluster import certificates
from pilothouse.cmd.envtest import assets
from pilothouse.cmd.envtest.apiserver import CONTROLLERS
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from tests.etcd_server import EtcdServer

SECONDS = 60.0
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended politely; it must end with status 0 and without a traceback."""
    with subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, b"Traceback" in errors) == (0, False), errors.decode()


def ask(url: str, context: ssl.SSLContext | None = None, body: Any = None) -> tuple[int, Any]:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def until(url: str, context: ssl.SSLContext | None, holds: Any) -> None:
    end = time.monotonic() + SECONDS
    while not holds(*ask(url, context)):
        assert time.monotonic() < end, f"{url} does not say it"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As envtest fills its --cert-dir: a serving certificate, an authority of clients, a key of tokens with its certificate."""
    made = tmp_path_factory.mktemp("envtest")
    leaves = [
        certificates.Subject("apiserver", "apiserver", names=["127.0.0.1", "localhost"], client=False),
        certificates.Subject("admin", "admin", ["system:masters"]),
        certificates.Subject("guest", "guest"),
    ]
    certificates.make(made, leaves, SystemClock(), Entropy())
    return assets.make(made)


def context_of(folder: Path, user: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / f"{user}.crt", folder / f"{user}.key")
    return context


@contextmanager
def api_server(folder: Path, *more: str, real_etcd: str = "", **environment: str) -> Iterator[str]:
    etcd, port = real_etcd or f"http://127.0.0.1:{free_port()}", free_port()
    stand_in = started(str(folder / "etcd"), f"--listen-client-urls={etcd}", "--data-dir", str(folder / "data"), "--unsafe-no-fsync")
    with nullcontext() if real_etcd else stand_in:
        until(f"{etcd}/health", None, lambda code, body: code == 200 and json.loads(body)["health"] == "true")
        arguments = (
            "--advertise-address=127.0.0.1", f"--etcd-servers={etcd}", f"--cert-dir={folder}", "--authorization-mode=RBAC",
            "--bind-address=127.0.0.1", f"--secure-port={port}", "--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged=true",
            "--disable-admission-plugins=ServiceAccount", f"--client-ca-file={folder / 'ca.crt'}",
            f"--service-account-key-file={folder / 'sa.pub'}", f"--service-account-signing-key-file={folder / 'sa.key'}",
            f"--service-account-issuer=https://127.0.0.1:{port}/",
        )  # fmt: skip
        with started(str(folder / "kube-apiserver"), *arguments, *more, **environment):
            url = f"https://127.0.0.1:{port}"
            until(f"{url}/readyz", context_of(folder, "admin"), lambda code, _: code == 200)
            yield url


def test_the_api_is_served_and_guarded(folder: Path) -> None:
    admin, guest = context_of(folder, "admin"), context_of(folder, "guest")
    with api_server(folder, "--some-new-flag=1") as url:
        code, _ = ask(f"{url}{CONFIG_MAPS}", admin, {"metadata": {"name": "a"}, "data": {"k": "v"}})
        assert code == 201
        assert ask(f"{url}{CONFIG_MAPS}/a", guest)[0] == 403
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        assert ask(f"{url}/api/v1/namespaces/default/pods", admin, pod)[0] == 201, "ServiceAccount admission is off"
        _, body = ask(f"{url}/api/v1/namespaces/default/services/kubernetes", admin)
        assert json.loads(body)["spec"]["clusterIP"] == "10.0.0.1"
        token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        code, body = ask(f"{url}/api/v1/namespaces/default/serviceaccounts/default/token", admin, token)
        assert code == 201


def test_a_real_etcd_keeps_the_objects(folder: Path, tmp_path: Path) -> None:
    admin = context_of(folder, "admin")
    etcd = EtcdServer(tmp_path / "etcd").start()
    try:
        with api_server(folder, "--etcd-prefix=/envtest", real_etcd=etcd.url) as url:
            assert ask(f"{url}{CONFIG_MAPS}", admin, {"metadata": {"name": "kept"}, "data": {"k": "v"}})[0] == 201
        with api_server(folder, "--etcd-prefix=/envtest", real_etcd=etcd.url) as url:
            code, body = ask(f"{url}{CONFIG_MAPS}/kept", admin)
            assert (code, json.loads(body)["data"]) == (200, {"k": "v"})
        with api_server(folder, "--etcd-prefix=/another", real_etcd=etcd.url) as url:
            assert ask(f"{url}{CONFIG_MAPS}/kept", admin)[0] == 404
    finally:
        etcd.kill()


def test_controllers_run_when_they_are_asked_for(folder: Path) -> None:
    admin = context_of(folder, "admin")
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    with api_server(folder, **{CONTROLLERS: "1"}) as url:
        assert ask(f"{url}/apis/apps/v1/namespaces/default/deployments", admin, {"metadata": {"name": "web"}, "spec": spec})[0] == 201
        until(f"{url}/api/v1/namespaces/default/pods", admin, lambda _, body: len(json.loads(body)["items"]) == 2)


@pytest.mark.parametrize(
    ("program", "there", "absent"), [("etcd", "unsafe-no-fsync", "x"), ("kube-apiserver", "secure-port", "insecure-port")]
)
def test_help_names_the_flags_that_envtest_looks_for(folder: Path, program: str, there: str, absent: str) -> None:
    done = subprocess.run([folder / program, "--help"], capture_output=True, text=True, check=True, timeout=SECONDS)
    flags = [line.split()[0] for line in done.stdout.splitlines() if line.strip().startswith("--")]
    assert (f"--{there}" in flags, f"--{absent}" in flags) == (True, False)


def test_a_flag_that_cannot_be_used_ends_it_with_a_reason(folder: Path) -> None:
    done = subprocess.run([folder / "kube-apiserver", "--authorization-mode=Magic"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, 'Error: authorization-mode "Magic" is not a valid mode\n')
