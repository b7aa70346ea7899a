"""`pilothouse up` with the environment ready: API served, node Ready, first Pod Running; then what the two processes cost while idle."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.bench.figure import report
from tests.bench.processes import processor_seconds, resident_megabytes

NAME = "bench-up"
IDLE_SECONDS = 20
PATIENCE_SECONDS = 60
PODS = "/api/v1/namespaces/default/pods"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "first"},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "image": "pilothouse.local/busybox:1", "command": ["sleep", "3600"]}],
    },
}


def pilothouse(kubeconfig: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pilothouse", *arguments, "--name", NAME],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


class Api:
    """One connection to a cluster's API, made again when it breaks: asking must not cost what is being measured."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self._port = urlsplit(config["clusters"][0]["cluster"]["server"]).port
        user = config["users"][0]["user"]
        self._context = ssl.create_default_context(cadata=plain(config["clusters"][0]["cluster"]["certificate-authority-data"]))
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(plain(user["client-certificate-data"]) + plain(user["client-key-data"]))
            file.flush()
            self._context.load_cert_chain(file.name)
        self._connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer, or None when there is none or it is no success."""
        if self._connection is None:
            self._connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=5, context=self._context)
        try:
            self._connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection = None
            return None
        if answer.status >= 300:
            return None
        return json.loads(text) if answer.headers.get_content_type() == "application/json" else text.decode()


def plain(text: str) -> str:
    return base64.b64decode(text).decode()


def first(question: Callable[[], Any]) -> Any:
    """The first true answer: one try every ten milliseconds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.01)
    raise TimeoutError(question)


def is_ready(api: Api) -> bool:
    nodes = api.ask("GET", "/api/v1/nodes")["items"]
    return any(c["type"] == "Ready" and c["status"] == "True" for node in nodes for c in node["status"].get("conditions", ()))


def is_running(api: Api) -> bool:
    return bool(api.ask("GET", f"{PODS}/first")["status"].get("phase") == "Running")


@contextlib.contextmanager
def started(kubeconfig: Path) -> Iterator[float]:
    """`pilothouse up` running beside; yields when it was started."""
    thread = threading.Thread(target=pilothouse, args=(kubeconfig, "up", "--no-egress"))
    since = time.monotonic()
    thread.start()
    try:
        yield since
    finally:
        thread.join()


def measure_up(kubeconfig: Path) -> None:
    """The Pod is created as soon as the API takes it: its time is that of the whole way."""
    with started(kubeconfig) as since:
        first(kubeconfig.exists)
        api = Api(kubeconfig)
        first(lambda: api.ask("GET", "/readyz"))
        report("up_api_served", time.monotonic() - since, "s", at_most=1.0)
        first(lambda: api.ask("POST", PODS, POD))
        first(lambda: is_ready(api))
        report("up_node_ready", time.monotonic() - since, "s", at_most=2.0)
        first(lambda: is_running(api))
        report("up_first_pod_running", time.monotonic() - since, "s", at_most=3.0)


def measure_idle() -> None:
    status = json.loads(pilothouse(Path("unused"), "status", "--output", "json"))
    pids = [one["pid"] for one in status["processes"].values() if one.get("pid")]
    time.sleep(5)
    before = sum(map(processor_seconds, pids))
    time.sleep(IDLE_SECONDS)
    used = sum(map(processor_seconds, pids)) - before
    report("idle_resident", sum(map(resident_megabytes, pids)), "MB", at_most=200)
    report("idle_processor", 100 * used / IDLE_SECONDS, "%_of_one_core", at_most=2)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        pilothouse(kubeconfig, "down", "--purge")
        try:
            measure_up(kubeconfig)
            measure_idle()
        finally:
            pilothouse(kubeconfig, "down", "--purge")


if __name__ == "__main__":
    main()
