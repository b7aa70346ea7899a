"""Commands that are killed half-way, or run at once: the next `up` or `down` brings about what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.test_cluster_lifecycle import IMAGE, Machine, remaining, run_pod
from tests.e2e.tools import Kubectl, kubectls, until

NAME = f"halfway-{os.getpid()}"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(NAME, tmp_path / "kubeconfig")
    made.down("--purge")
    yield made
    made.down("--purge")
    assert remaining(made.traces()) == ""


def begun(machine: Machine, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "pilothouse", *words, "--name", machine.name]
    environment = {**os.environ, "KUBECONFIG": str(machine.kubeconfig)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_after(process: subprocess.Popen[str], seconds: float, number: int) -> None:
    timer = threading.Timer(seconds, lambda: process.send_signal(number) if process.poll() is None else None)
    timer.start()
    process.communicate(timeout=180)
    timer.cancel()


@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.2])
def test_after_kill_9_of_down_another_down_or_up_goes_on(machine: Machine, seconds: float) -> None:
    machine.up()
    kubectl = run_pod(machine, "survivor")
    uid = kubectl.get("pod", "survivor")["metadata"]["uid"]
    kill_after(begun(machine, "down"), seconds, signal.SIGKILL)
    machine.up()
    until("the cluster is well", lambda: machine.status()["state"] == "Running")
    until("its container runs", lambda: kubectl.run("exec", "survivor", "--", "true").returncode == 0)
    assert kubectl.get("pod", "survivor")["metadata"]["uid"] == uid
    kill_after(begun(machine, "down", "--purge"), seconds, signal.SIGKILL)
    machine.down("--purge")
    assert remaining(machine.traces()) == ""


@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.6, 2.4])
def test_after_kill_9_of_up_down_leaves_nothing(machine: Machine, seconds: float) -> None:
    kill_after(begun(machine, "up", "--no-egress"), seconds, signal.SIGKILL)
    machine.down("--purge")
    assert remaining(machine.traces()) == ""


@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.6, 2.4])
def test_after_sigterm_of_up_another_up_goes_on(machine: Machine, seconds: float) -> None:
    kill_after(begun(machine, "up", "--no-egress"), seconds, signal.SIGTERM)
    machine.up()
    assert machine.status()["state"] == "Running"


def test_two_ups_at_once_make_one_cluster(machine: Machine) -> None:
    with ThreadPoolExecutor(2) as pool:
        said = [*pool.map(lambda _: machine.up(), range(2))]
    assert sorted("runs already" in one for one in said) == [False, True]
    assert machine.status()["state"] == "Running"


def test_an_up_beside_a_dying_down_waits_for_it_and_then_starts(machine: Machine) -> None:
    machine.up()
    down = begun(machine, "down")
    up = begun(machine, "up", "--no-egress")
    kubectl = Kubectl(kubectls()["path"], machine.kubeconfig, "default")
    down.communicate(timeout=180)
    said, _ = up.communicate(timeout=180)
    assert (down.returncode, up.returncode) == (0, 0), said
    if machine.status()["state"] != "Running":  # it came first, found all running, and the other took it down
        machine.up()
    kubectl("run", "afterwards", f"--image={IMAGE}", "--command", "--", "sleep", "3600")
    kubectl("wait", "--for=condition=Ready", "pod/afterwards", "--timeout=180s")
