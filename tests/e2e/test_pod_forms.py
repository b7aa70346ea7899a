"""The Pods of examples/pods/, every form of them, as real containers."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tools import EXAMPLES, Kubectl, until

PODS = EXAMPLES / "pods"
HOST = Path("/var/tmp")


@pytest.fixture(autouse=True, scope="module")
def host_folders() -> Iterator[None]:
    """What the examples write on the host is there for their tests only."""
    yield
    for name in ("lifecycle", "volumes"):
        shutil.rmtree(HOST / f"pilothouse-example-{name}", ignore_errors=True)


def apply(kubectl: Kubectl, name: str) -> str:
    """Apply an example; the name of its Pod, which is that of the file."""
    kubectl("apply", "-f", str(PODS / f"{name}.yaml"))
    return name


def ready(kubectl: Kubectl, name: str) -> str:
    apply(kubectl, name)
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=180s")
    return name


def phase(kubectl: Kubectl, name: str, wanted: str) -> dict[str, Any]:
    """The Pod, once it is in the phase."""

    def look() -> dict[str, Any] | None:
        pod = kubectl.get("pod", name)
        return pod if pod["status"].get("phase") == wanted else None

    found: dict[str, Any] = until(f"{name} is {wanted}", look)
    return found


def shell(kubectl: Kubectl, name: str, script: str, container: str = "main") -> str:
    return kubectl("exec", name, "-c", container, "--", "sh", "-c", script).strip()


def test_simple(kubectl: Kubectl) -> None:
    name = ready(kubectl, "simple")
    pod = kubectl.get("pod", name)
    assert pod["status"]["qosClass"] == "BestEffort"
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/", timeout=30) as answer:
        assert answer.read().decode().strip() == name
    assert shell(kubectl, name, "cat /proc/1/cwd/index.html", "web") == name
    fields = kubectl("get", "pod", name, "-o", "wide", "--no-headers").split()
    assert fields[:4] == [name, "1/1", "Running", "0"]
    assert fields[5] == pod["status"]["podIP"]
    assert fields[6] == pod["spec"]["nodeName"]


def test_restart_never(kubectl: Kubectl) -> None:
    pod = phase(kubectl, apply(kubectl, "restart-never"), "Succeeded")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"].strip()) == (0, "Completed", "the reason")
    assert kubectl("logs", "restart-never") == "done\n"
    assert kubectl("get", "pod", "restart-never", "--no-headers").split()[1:4] == ["0/1", "Completed", "0"]


def test_restart_on_failure(kubectl: Kubectl) -> None:
    pod = phase(kubectl, apply(kubectl, "restart-on-failure"), "Succeeded")
    status = pod["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 3


def test_restart_always(kubectl: Kubectl) -> None:
    name = apply(kubectl, "restart-always")
    until("it is in back-off", lambda: "CrashLoopBackOff" in kubectl("get", "pod", name))
    status = kubectl.get("pod", name)["status"]["containerStatuses"][0]
    assert status["restartCount"] >= 1
    assert status["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=short pod=restart-always_")
    assert "Back-off restarting failed container short in pod" in kubectl("describe", "pod", name)


def test_init_containers(kubectl: Kubectl) -> None:
    name = ready(kubectl, "init-containers")
    assert kubectl("logs", name, "-c", "main").split() == ["first", "sidecar", "last"]
    statuses = {one["name"]: one for one in kubectl.get("pod", name)["status"]["initContainerStatuses"]}
    assert statuses["first"]["state"]["terminated"]["reason"] == "Completed"
    assert statuses["sidecar"]["started"] is True
    assert kubectl("get", "pod", name, "--no-headers").split()[1] == "2/2"
    refused = kubectl.fails("exec", name, "-c", "main", "--", "touch", "/shared/file")
    assert "Read-only file system" in refused


def test_probes(kubectl: Kubectl) -> None:
    name = ready(kubectl, "probes")
    shell(kubectl, name, "rm /www/healthz", "http")
    until("liveness restarts it", lambda: kubectl.get("pod", name)["status"]["containerStatuses"][0]["restartCount"] == 1)
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=180s")
    described = kubectl("describe", "pod", name)
    assert "Liveness probe failed" in described
    assert "Container http failed liveness probe, will be restarted" in described


def test_lifecycle_hooks(kubectl: Kubectl) -> None:
    log = HOST / "pilothouse-example-lifecycle" / "log"
    log.unlink(missing_ok=True)
    name = ready(kubectl, "lifecycle")
    kubectl("delete", "pod", name, "--timeout=180s")
    assert log.read_text().split() == ["postStart", "preStop", "term"]


def test_environment(kubectl: Kubectl) -> None:
    name = ready(kubectl, "environment")
    pod = kubectl.get("pod", name)
    lines = kubectl("logs", name).splitlines()
    seen = dict(line.split("=", 1) for line in lines if "=" in line)
    assert lines[-1] == "started with plain"
    expected = {
        "SET_colour": "blue",
        "SET_size": "large",
        "PLAIN": "plain",
        "DERIVED": "plain-and-$(COLOUR) $(escaped)",
        "COLOUR": "blue",
        "AFTER": "blue",
        "PASSWORD": "opensesame",
        "POD_NAME": name,
        "POD_IP": pod["status"]["podIP"],
        "NODE": pod["spec"]["nodeName"],
        "TIER": "front",
        "CPU_LIMIT": "250",
        "MEMORY_REQUEST": "16",
        "KUBERNETES_SERVICE_PORT": "443",
    }
    assert expected.items() <= seen.items()


def test_volumes_and_their_updates(kubectl: Kubectl) -> None:
    name = ready(kubectl, "volumes")
    assert shell(kubectl, name, "cat /config/one.txt /single/one.txt /all/two /all/key /all/name") == "oneonetwosecretvolumes"
    assert shell(kubectl, name, "cat /secret/nested/key; stat -L -c %a:%g /secret/nested/key").endswith("440:2000")
    assert shell(kubectl, name, "cat /pod/labels") == 'tier="back"'
    assert shell(kubectl, name, "wc -c < /all/token").isdigit()
    shell(kubectl, name, "echo x > /scratch/file; echo y > /host/file")
    assert (HOST / "pilothouse-example-volumes" / "file").read_text() == "y\n"
    kubectl("patch", "configmap", "files", "-p", '{"data":{"one.txt":"changed"}}')
    kubectl("label", "pod", name, "tier=changed", "--overwrite")
    until("the files follow", lambda: shell(kubectl, name, "cat /config/one.txt /pod/labels") == 'changedtier="changed"', seconds=180)
    assert shell(kubectl, name, "cat /single/one.txt") == "one", "a subPath is not updated"


def test_security(kubectl: Kubectl) -> None:
    name = ready(kubectl, "security")
    assert shell(kubectl, name, "id -u; id -g; id -G").split() == ["1000", "3000", "3000", "2000", "4000"]
    assert "Read-only file system" in shell(kubectl, name, "touch /file 2>&1 || true")
    assert shell(kubectl, name, "grep -E 'CapBnd|NoNewPrivs|^Seccomp:' /proc/1/status").split() == [
        "CapBnd:", "0000000000000400", "NoNewPrivs:", "1", "Seccomp:", "2",
    ]  # fmt: skip
    assert shell(kubectl, name, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "80"
    assert shell(kubectl, name, "id -u; grep ^Seccomp: /proc/1/status", "root").split() == ["0", "Seccomp:", "0"]


def test_resources(kubectl: Kubectl) -> None:
    name = ready(kubectl, "resources")
    assert kubectl.get("pod", name)["status"]["qosClass"] == "Burstable"
    memory = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
    assert shell(kubectl, name, memory) == str(64 * 1024 * 1024)
    quota = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
    assert shell(kubectl, name, quota) == "50000"


def test_host_network(kubectl: Kubectl) -> None:
    name = ready(kubectl, "host-network")
    pod = kubectl.get("pod", name)
    assert pod["status"]["podIP"] == pod["status"]["hostIP"]
    with urllib.request.urlopen(f"http://{pod['status']['hostIP']}:18080/", timeout=30) as answer:
        assert answer.read() == b"host\n"
    assert "containerd" in shell(kubectl, name, "ps -o comm")


def test_host_port(kubectl: Kubectl) -> None:
    name = ready(kubectl, "host-port")
    host = kubectl.get("pod", name)["status"]["hostIP"]
    with urllib.request.urlopen(f"http://{host}:18081/", timeout=30) as answer:
        assert answer.read() == b"port\n"
    assert shell(kubectl, name, "hostname; cat /etc/hosts").startswith("porter\n")
    assert "elsewhere.example" in shell(kubectl, name, "cat /etc/hosts")
    assert "ndots:2" in shell(kubectl, name, "cat /etc/resolv.conf")


def test_image_never_pulled(kubectl: Kubectl) -> None:
    name = apply(kubectl, "image-never")
    until("it says why", lambda: "ErrImageNeverPull" in kubectl("get", "pod", name))
    message = kubectl.get("pod", name)["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    assert message == 'Container image "pilothouse.local/missing:1" is not present with pull policy of Never'


def test_unschedulable(kubectl: Kubectl) -> None:
    name = apply(kubectl, "unschedulable")
    until("an event says why", lambda: "0/1 nodes are available: 1 Insufficient cpu." in kubectl("describe", "pod", name))
    assert kubectl("get", "pod", name, "--no-headers").split()[1:3] == ["0/1", "Pending"]


def test_shared_processes(kubectl: Kubectl) -> None:
    name = ready(kubectl, "shared-processes")
    processes = shell(kubectl, name, "ps -o args", "one")
    assert "sleep 3601" in processes
    assert "sleep 3602" in processes


@pytest.mark.parametrize("name", sorted(path.stem for path in PODS.glob("*.yaml")))
def test_no_example_is_without_a_test(name: str) -> None:
    assert f'"{name}"' in Path(__file__).read_text()
