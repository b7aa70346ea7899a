"""Volumes on real disks: made ready once for all pods, full, hanging. What hangs or fills up hurts its own pod alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import hanging_filesystem
from tests.e2e.test_kubelet import STATE, agent, field, ready, start
from tests.e2e.tools import Kubectl, until

AFFINITY = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]}}
MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}


def in_node(*command: str) -> list[str]:
    """The command in the mount namespace of the node."""
    return ["nsenter", f"--target={agent()}", "--mount", *command]


def mounts_of_node() -> str:
    return Path(f"/proc/{agent()}/mountinfo").read_text()


@contextmanager
def loop_device(file: Path, size: int) -> Iterator[str]:
    file.write_bytes(b"")
    with file.open("r+b") as opened:
        opened.truncate(size)
    made = subprocess.run(["losetup", "--find", "--show", str(file)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop devices here: {made.stderr.strip()}")
    try:
        yield made.stdout.strip()
    finally:
        subprocess.run(["losetup", "--detach", made.stdout.strip()], check=False)


def claim(kubectl: Kubectl, path: str) -> dict[str, Any]:
    """A volume in a pod, of a claim of a local volume at this path; both are named after the test's namespace."""
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand"}
    name = f"disk-{kubectl.namespace}"
    spec = {"capacity": {"storage": "1Mi"}, "local": {"path": path}, "nodeAffinity": AFFINITY, **common}
    kubectl.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
    wanted = {"resources": {"requests": {"storage": "1Mi"}}, "volumeName": name, **common}
    kubectl.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"}, "spec": wanted})
    return {"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}


def test_a_disk_is_formatted_and_mounted_once_for_all_pods(kubectl: Kubectl, tmp_path: Path) -> None:
    with loop_device(tmp_path / "disk", 16 << 20) as device:
        volume = claim(kubectl, device)
        security = {"fsGroup": 2000, "runAsUser": 1000, "runAsGroup": 1000}
        for name in ("writer", "reader"):
            start(kubectl, name, MOUNT, volumes=[volume], securityContext=security)
            ready(kubectl, name)
        kubectl("exec", "writer", "--", "sh", "-c", "echo kept > /v/file")
        assert kubectl("exec", "reader", "--", "cat", "/v/file") == "kept\n"
        place = f"/plugins/kubernetes.io/local-volume/mounts/disk-{kubectl.namespace}"
        assert [line.split(" - ")[1].split()[0] for line in mounts_of_node().splitlines() if line.split()[4].endswith(place)] == ["ext4"]
        kubectl("delete", "pod", "writer", "--timeout=30s")
        assert kubectl("exec", "reader", "--", "cat", "/v/file") == "kept\n"
        kubectl("delete", "pod", "reader", "--timeout=30s")
        until("it is unmounted", lambda: place not in mounts_of_node())
        start(kubectl, "later", MOUNT, volumes=[volume])
        ready(kubectl, "later")
        assert kubectl("exec", "later", "--", "cat", "/v/file") == "kept\n", "it is not formatted again"
        kubectl("delete", "pod", "later", "--timeout=30s")


@contextmanager
def hanging(directory: Path) -> Iterator[str]:
    """A filesystem in the node that answers nobody."""
    directory.mkdir()
    asked = directory.with_suffix(".asked")
    asked.unlink(missing_ok=True)
    command = in_node(sys.executable, hanging_filesystem.__file__, str(directory), str(asked))
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "mounted\n"
        yield str(directory)
    finally:
        server.kill()  # whoever waits for it is told that it is gone
        server.wait(10)
        subprocess.run(in_node("umount", "--lazy", str(directory)), check=False)
        directory.rmdir()
        asked.unlink(missing_ok=True)


def test_a_filesystem_that_hangs_hurts_its_own_pods_alone(kubectl: Kubectl) -> None:
    probe = {"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1}}
    start(kubectl, "before", probe)
    ready(kubectl, "before")
    with hanging(STATE / "hanging") as path:
        start(kubectl, "hung", MOUNT, volumes=[{"name": "v", "hostPath": {"path": path, "type": "Directory"}}])
        start(kubectl, "grouped", MOUNT, volumes=[claim(kubectl, path)], securityContext={"fsGroup": 2000})
        until("they are on the node", lambda: all(field(kubectl, name, ".status.hostIP") for name in ("hung", "grouped")))
        start(kubectl, "after", probe)
        ready(kubectl, "after")
        assert kubectl("exec", "before", "--", "echo", "well") == "well\n"
        assert {field(kubectl, name, ".status.phase") for name in ("hung", "grouped")} == {"Pending"}
        assert kubectl("get", "--raw", f"/api/v1/nodes/{field(kubectl, 'before', '.spec.nodeName')}/proxy/healthz/syncloop") == "ok"
        kubectl("delete", "pod", "hung", "grouped", "--timeout=60s")
    assert field(kubectl, "before", ".status.containerStatuses[0].restartCount") == "0"


def test_an_agent_that_is_killed_while_a_call_hangs_is_replaced_at_once(kubectl: Kubectl) -> None:
    with hanging(STATE / "hanging") as path:
        start(kubectl, "hung", MOUNT, volumes=[{"name": "v", "hostPath": {"path": path, "type": "Directory"}}])
        until("it is asked, and does not answer", (STATE / "hanging.asked").exists)
        old = agent()
        os.kill(old, signal.SIGKILL)
        until("another one serves", lambda: agent() not in {None, old})
        start(kubectl, "after")
        ready(kubectl, "after")
        assert field(kubectl, "hung", ".status.phase") == "Pending"
        kubectl("delete", "pod", "hung", "--timeout=60s")


def test_a_volume_in_memory_that_is_full_hurts_its_own_pod_alone(kubectl: Kubectl) -> None:
    start(kubectl, "full", MOUNT, volumes=[{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}}])
    ready(kubectl, "full")
    done = kubectl.run("exec", "full", "--", "dd", "if=/dev/zero", "of=/v/file", "bs=1M", "count=8")
    assert "No space left on device" in done.stderr
    assert kubectl("exec", "full", "--", "stat", "-c", "%s", "/v/file") == f"{4 << 20}\n"
    start(kubectl, "neighbour")
    ready(kubectl, "neighbour")
