"""`up --runtime simulated`: a whole cluster without root and without containers; and what a machine that has neither is told."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse.cluster import doctor
from tests.e2e.tools import until

NAME = f"simulated-{os.getpid()}"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    done = run(tmp_path, "down", "--purge")
    assert done.returncode == 0, done.stderr
    assert not [*(tmp_path / "root").rglob("*.db")]


def run(home: Path, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """The command line with its places below `home`, as for a user who is not root."""
    environment = {**os.environ, "KUBECONFIG": str(home / "kubeconfig")}
    command = [sys.executable, "-m", "pilothouse", *words, "--name", NAME, "--root", str(home / "root")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)


def up(home: Path, *words: str) -> str:
    done = run(home, "up", "--runtime", "simulated", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def get(home: Path, path: str) -> Any:
    """By the kubeconfig, as any client."""
    config = yaml.safe_load((home / "kubeconfig").read_text())
    cluster = next(one["cluster"] for one in config["clusters"] if one["name"].endswith(NAME))
    shown = json.loads(run(home, "kubeconfig").stdout)["users"][0]["user"]
    files = {name: home / name for name in ("client-certificate-data", "client-key-data")}
    import base64

    for name, file in files.items():
        file.write_bytes(base64.b64decode(shown[name]))
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    context.load_cert_chain(*map(str, files.values()))
    with urllib.request.urlopen(cluster["server"] + path, context=context, timeout=30) as answer:
        return json.load(answer)


def status(home: Path) -> Any:
    return json.loads(run(home, "status", "--output", "json").stdout)


def test_the_example_runs_and_comes_back(home: Path) -> None:
    said = up(home, "--example")
    assert "node Ready" in said
    assert "its containers are simulated" in said
    pods = get(home, "/api/v1/namespaces/default/pods")["items"]
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    shown = status(home)
    assert (shown["state"], shown["runtimeKind"], [*shown["processes"]]) == ("Running", "simulated", ["control-plane"])
    assert run(home, "down").returncode == 0
    assert run(home, "status").returncode == 3
    up(home)
    again = get(home, "/api/v1/namespaces/default/pods")["items"]
    assert {pod["metadata"]["uid"] for pod in again} == {pod["metadata"]["uid"] for pod in pods}


def test_what_is_killed_is_started_again(home: Path) -> None:
    up(home)
    for name in ("control-plane", "supervisor"):
        shown = status(home)
        old = {**shown["processes"], "supervisor": shown["supervisor"]}[name]["pid"]
        os.kill(old, signal.SIGKILL)

        def is_back(name: str = name, old: int = old) -> bool:
            now = status(home)
            return now["state"] == "Running" and {**now["processes"], "supervisor": now["supervisor"]}[name]["pid"] not in (None, old)

        until(f"{name} is started again", is_back, 180)


def test_it_stays_simulated_and_has_every_image(home: Path) -> None:
    up(home)
    refused = run(home, "up", "--runtime", "containers")
    assert refused.returncode == 1
    assert "what to do" in refused.stderr
    listed = run(home, "image", "list")
    assert (listed.returncode, "every image is there" in listed.stderr) == (1, True)


def test_doctor_says_whether_containers_run_here(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "pilothouse", "doctor"], capture_output=True, text=True, check=False)
    well = doctor.runs_containers(doctor.examine())
    assert done.returncode == (0 if well else 1)
    assert ("this machine can run clusters with containers" in done.stdout) is well
    quiet = subprocess.run([sys.executable, "-m", "pilothouse", "doctor", "--quiet"], capture_output=True, text=True, check=False)
    assert (quiet.stdout, quiet.returncode) == ("", done.returncode)
