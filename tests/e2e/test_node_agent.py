"""The node agent on real containers: what pods do to it and to one another, what the node enforces, what it cleans up."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path

from pilothouse.cluster.state import Places
from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.runtime.cri import CriRuntime
from pilothouse.kubelet.runtime.sandboxes import SandboxConfig
from tests.e2e.conftest import NAME
from tests.e2e.test_kubelet import IMAGE, STATE, field, manifest, ready, start
from tests.e2e.tools import Kubectl, until


def events(kubectl: Kubectl, reason: str) -> str:
    return kubectl("get", "events", f"--field-selector=reason={reason}", "-o", "jsonpath={.items[*].message}")


def phase(kubectl: Kubectl, name: str) -> str:
    return field(kubectl, name, ".status.phase")


def test_exec_and_logs_reach_into_a_static_pod(kubectl: Kubectl) -> None:
    folder, name = STATE / "manifests", f"inside-{NAME}"
    pod = json.loads(manifest("inside", {"command": ["sh", "-c", "echo said; sleep 3600"]}))
    pod["metadata"]["namespace"] = kubectl.namespace
    folder.mkdir(exist_ok=True)
    (folder / "inside.yaml").write_text(json.dumps(pod))
    (folder / "wrong.yaml").write_text(json.dumps({**pod, "metadata": {"name": "wrong"}, "spec": {"containers": []}}))
    try:
        until("the mirror runs", lambda: name in kubectl("get", "pods") and phase(kubectl, name) == "Running")
        assert kubectl("exec", name, "--", "echo", "inside") == "inside\n"
        assert kubectl("logs", name) == "said\n"
        assert "wrong" not in kubectl("get", "pods")
    finally:
        (folder / "inside.yaml").unlink()
        (folder / "wrong.yaml").unlink()


def test_a_bomb_of_processes_meets_its_pods_limit(kubectl: Kubectl) -> None:
    start(kubectl, "bomb")
    ready(kubectl, "bomb")
    uid = field(kubectl, "bomb", ".metadata.uid")
    limits = [*Path("/sys/fs/cgroup").glob(f"**/kubepods/**/pod{uid}/pids.max")]
    assert {path.read_text() for path in limits} == {"4096\n"}


def test_the_hook_that_runs_out_of_time_and_the_redirect_elsewhere_are_told(kubectl: Kubectl) -> None:
    hook = {"preStop": {"exec": {"command": ["sleep", "60"]}}}
    answer = r"HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nContent-Length: 4\r\n\r\ngone"
    serve = f"while true; do printf '{answer}' | nc -l -p 80; done"
    probe = {"readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1}}
    start(kubectl, "elsewhere", {"command": ["sh", "-c", serve], "lifecycle": hook, **probe}, terminationGracePeriodSeconds=2)
    until("it is told", lambda: "Readiness probe warning: Probe terminated redirects" in events(kubectl, "ProbeWarning"))
    kubectl("delete", "pod", "elsewhere", "--timeout=30s")
    until("the hook is told", lambda: "PreStopHook failed" in events(kubectl, "FailedPreStopHook"))


def test_what_the_runtime_cannot_do_is_refused(kubectl: Kubectl) -> None:
    start(kubectl, "strict", securityContext={"supplementalGroupsPolicy": "Strict"})
    until("it is refused", lambda: field(kubectl, "strict", ".status.reason") == "SupplementalGroupsPolicyNotSupported")


def test_a_critical_pod_makes_others_go(kubectl: Kubectl) -> None:
    requests = {"resources": {"requests": {"cpu": f"{1000 * (os.cpu_count() or 1) - 500}m"}}}
    start(kubectl, "large", requests, nodeName=NAME)
    ready(kubectl, "large")
    start(kubectl, "vital", requests, nodeName=NAME, priorityClassName="system-node-critical")
    ready(kubectl, "vital")
    until("the other one goes", lambda: phase(kubectl, "large") == "Failed")
    assert field(kubectl, "large", ".status.reason") == "Preempting"
    kubectl("delete", "pod", "vital", "large", "--timeout=30s")


def test_a_block_volume_is_a_device_in_the_container(kubectl: Kubectl, tmp_path: Path) -> None:
    device = tmp_path / "disk"
    os.mknod(device, stat.S_IFBLK | 0o660, os.makedev(7, 99))
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]}}
    common = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Block", "storageClassName": "by-hand"}
    volume = {"capacity": {"storage": "1Mi"}, "local": {"path": str(device)}, "nodeAffinity": affinity, **common}
    name = f"block-{kubectl.namespace}"
    kubectl.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume})
    claim = {"resources": {"requests": {"storage": "1Mi"}}, "volumeName": name, **common}
    kubectl.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"}, "spec": claim})
    try:
        volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "disk"}}]
        start(kubectl, "raw", {"volumeDevices": [{"name": "d", "devicePath": "/dev/xvda"}]}, volumes=volumes)
        ready(kubectl, "raw")
        assert kubectl("exec", "raw", "--", "stat", "-c", "%F %t %T", "/dev/xvda") == "block special file 7 63\n"
        kubectl("delete", "pod", "raw", "--timeout=30s")
    finally:
        kubectl("delete", "pvc", "disk", "--wait=false")
        kubectl("delete", "pv", name, "--wait=false")


def test_what_is_made_below_a_volume_belongs_to_the_pods_group(kubectl: Kubectl) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/sub", "subPath": "a/b"}]
    security = {"fsGroup": 2000, "runAsUser": 1000, "runAsGroup": 1000}
    start(kubectl, "grouped", {"volumeMounts": mounts}, volumes=[{"name": "v", "emptyDir": {}}], securityContext=security)
    ready(kubectl, "grouped")
    look = "touch /sub/f && mkdir /sub/d && stat -c '%a %g' /v /v/a /sub /sub/d && stat -c %g /sub/f"
    shown = kubectl("exec", "grouped", "--", "sh", "-c", look)
    assert shown.split("\n")[:5] == ["2777 2000", "2777 2000", "2777 2000", "2755 2000", "2000"]


def test_a_flood_of_logs_is_rotated(kubectl: Kubectl) -> None:
    line = "x" * 1000
    flood = f"i=0; while [ $i -lt 25000 ]; do echo {line}; i=$((i+1)); done; sleep 3600"
    start(kubectl, "chatty", {"command": ["sh", "-c", flood]})
    ready(kubectl, "chatty")
    uid = field(kubectl, "chatty", ".metadata.uid")
    folder = Path(f"/var/log/pilothouse/{NAME}/pods/{kubectl.namespace}_chatty_{uid}/app")
    until("its log is rotated", lambda: len([*folder.glob("0.log.*")]) >= 1, seconds=180)
    assert kubectl("logs", "chatty", "--tail=1").strip() in {line, ""}


def test_a_sandbox_that_somebody_left_is_ended_and_pods_run_on(kubectl: Kubectl, tmp_path: Path) -> None:
    start(kubectl, "stays")
    ready(kubectl, "stays")

    async def leave() -> str:
        runtime = CriRuntime(str(Places(NAME, Path("/")).containerd.socket), SystemClock())
        labels = {"io.kubernetes.pod.uid": "left", "io.kubernetes.pod.name": "left", "io.kubernetes.pod.namespace": "default"}
        try:
            return await runtime.run_pod_sandbox(SandboxConfig("left", "left", "default", labels=labels, log_directory=str(tmp_path)))
        finally:
            await runtime.close()

    async def listed() -> set[str]:
        runtime = CriRuntime(str(Places(NAME, Path("/")).containerd.socket), SystemClock())
        try:
            return {sandbox.id for sandbox in await runtime.list_pod_sandboxes()}
        finally:
            await runtime.close()

    left = asyncio.run(leave())
    until("it is gone", lambda: left not in asyncio.run(listed()))
    assert field(kubectl, "stays", ".status.containerStatuses[0].restartCount") == "0"
    assert kubectl("exec", "stays", "--", "echo", "well") == "well\n"


def test_the_agent_says_that_its_loop_runs(kubectl: Kubectl) -> None:
    path = f"/api/v1/nodes/{NAME}/proxy/healthz"
    assert kubectl("get", "--raw", f"{path}/syncloop") == "ok"
    assert "[+]syncloop ok" in kubectl("get", "--raw", f"{path}?verbose=1")


def test_all_pods_together_have_what_the_node_may_give_them(kubectl: Kubectl) -> None:
    start(kubectl, "any")
    ready(kubectl, "any")
    total = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    files = ("memory/pilothouse-{}/kubepods/memory.limit_in_bytes", "pilothouse-{}/kubepods/memory.max")
    found = [path for file in files if (path := Path("/sys/fs/cgroup") / file.format(NAME)).exists()]
    assert [int(path.read_text()) for path in found] == [total * 1024]


def test_a_giant_last_word_is_cut_and_an_image_that_is_large_stays(kubectl: Kubectl) -> None:
    command = ["sh", "-c", "dd if=/dev/zero bs=1k count=200 | tr '\\0' x > /dev/termination-log; exit 3"]
    start(kubectl, "wordy", {"command": command, "image": IMAGE}, restartPolicy="Never")
    until("it fails", lambda: phase(kubectl, "wordy") == "Failed")
    assert field(kubectl, "wordy", ".status.containerStatuses[0].state.terminated.message") == "x" * 4096
