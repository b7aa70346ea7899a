"""The kubelet on real containers: restarts of its own process, live volumes, hooks, crash loops, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from pilothouse.node import namespaces
from tests.e2e.conftest import NAME
from tests.e2e.tools import Kubectl, pilothouse, until

IMAGE = "pilothouse.local/busybox:1"
STATE = Path("/var/lib/pilothouse") / NAME
RUN = Path("/run/pilothouse") / NAME


def manifest(name: str, container: dict[str, object], **spec: object) -> str:
    own = {"name": "app", "image": IMAGE, "command": ["sleep", "3600"], **container}
    whole = {"terminationGracePeriodSeconds": 1, "containers": [own], **spec}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole})


def start(kubectl: Kubectl, name: str, container: dict[str, object] | None = None, **spec: object) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(name, container or {}, **spec))


def ready(kubectl: Kubectl, name: str) -> None:
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=30s")


def field(kubectl: Kubectl, name: str, path: str) -> str:
    return kubectl("get", "pod", name, "-o", f"jsonpath={{{path}}}")


def agent() -> int:
    return int((RUN / "node-agent.pid").read_text().split()[0])


def test_killing_the_kubelet_harms_no_container(kubectl: Kubectl, kubeconfig: Path) -> None:
    probe = {"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1}}
    start(kubectl, "steady", {"volumeMounts": [{"name": "v", "mountPath": "/v"}], **probe}, volumes=[{"name": "v", "emptyDir": {}}])
    start(kubectl, "sick", {"command": ["false"]})
    ready(kubectl, "steady")
    kubectl("exec", "steady", "--", "sh", "-c", "echo kept > /v/file")
    before = field(kubectl, "steady", ".status.containerStatuses[0].containerID")
    until("the crash loop begins", lambda: int(field(kubectl, "sick", ".status.containerStatuses[0].restartCount")) >= 2)
    os.kill(agent(), signal.SIGKILL)
    up = pilothouse("up", "--no-egress", "--name", NAME, environment={"KUBECONFIG": str(kubeconfig)})
    assert up.returncode == 0, up.stderr
    ready(kubectl, "steady")
    assert field(kubectl, "steady", ".status.containerStatuses[0].containerID") == before
    assert field(kubectl, "steady", ".status.containerStatuses[0].restartCount") == "0"
    assert kubectl("exec", "steady", "--", "cat", "/v/file") == "kept\n"
    assert int(field(kubectl, "sick", ".status.containerStatuses[0].restartCount")) >= 2
    uid = field(kubectl, "steady", ".metadata.uid")
    kubectl("delete", "pod", "steady", "sick", "--timeout=30s")
    until("the directories are gone", lambda: not (STATE / "kubelet" / "pods" / uid).exists())


def test_volumes_follow_their_sources(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "settings", "--from-literal=a=1")
    kubectl("create", "secret", "generic", "keys", "--from-literal=k=old")
    mounts = [{"name": "c", "mountPath": "/c"}, {"name": "s", "mountPath": "/s"}, {"name": "d", "mountPath": "/d"}]
    volumes = [
        {"name": "c", "configMap": {"name": "settings"}},
        {"name": "s", "secret": {"secretName": "keys"}},
        {"name": "d", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    start(kubectl, "reader", {"volumeMounts": mounts}, volumes=volumes)
    ready(kubectl, "reader")
    kubectl("patch", "configmap", "settings", "-p", '{"data":{"a":null,"b":"2"}}')
    kubectl("patch", "secret", "keys", "-p", '{"stringData":{"k":"new"}}')
    kubectl("label", "pod", "reader", "colour=blue")
    shown = ("exec", "reader", "--", "sh", "-c", "ls /c; cat /c/b /s/k /d/labels")
    until("the volumes follow", lambda: kubectl(*shown) == 'b\n2newcolour="blue"')


def test_a_crash_is_told_with_its_last_words(kubectl: Kubectl) -> None:
    start(kubectl, "crash", {"command": ["sh", "-c", "echo to the log; echo last words > /dev/termination-log; exit 7"]})
    until(
        "the crash loop is told", lambda: field(kubectl, "crash", ".status.containerStatuses[0].state.waiting.reason") == "CrashLoopBackOff"
    )
    last = json.loads(field(kubectl, "crash", ".status.containerStatuses[0].lastState.terminated"))
    assert (last["exitCode"], last["reason"], last["message"]) == (7, "Error", "last words\n")
    assert kubectl("logs", "crash", "--previous") == "to the log\n"


def test_a_container_out_of_memory_is_killed(kubectl: Kubectl) -> None:
    limits = {"resources": {"limits": {"memory": "16Mi"}}}
    start(kubectl, "greedy", {"command": ["tail", "/dev/zero"], **limits}, restartPolicy="Never")
    until("the pod fails", lambda: field(kubectl, "greedy", ".status.phase") == "Failed")
    assert field(kubectl, "greedy", ".status.containerStatuses[0].state.terminated.reason") == "OOMKilled"


def test_hooks_run_around_a_container(kubectl: Kubectl, tmp_path: Path) -> None:
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo begun > /h/log"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo ending >> /h/log"]}},
    }
    volume = {"name": "h", "hostPath": {"path": str(tmp_path), "type": "Directory"}}
    start(kubectl, "hooked", {"lifecycle": hooks, "volumeMounts": [{"name": "h", "mountPath": "/h"}]}, volumes=[volume])
    ready(kubectl, "hooked")
    kubectl("delete", "pod", "hooked", "--timeout=30s")
    assert (tmp_path / "log").read_text() == "begun\nending\n"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        pytest.param("File", "hostPath type check failed: /etc is not a file", id="no file"),
        pytest.param("Socket", "hostPath type check failed: /etc is not a socket file", id="no socket"),
    ],
)
def test_a_host_path_of_the_wrong_type_is_told(kubectl: Kubectl, kind: str, message: str) -> None:
    volume = {"name": "h", "hostPath": {"path": "/etc", "type": kind}}
    start(kubectl, "wrong", {"volumeMounts": [{"name": "h", "mountPath": "/h"}]}, volumes=[volume])
    events = ("get", "events", "--field-selector=reason=FailedMount", "-o", "jsonpath={.items[*].message}")
    until("the event is told", lambda: message in kubectl(*events))


def test_a_sub_path_leads_nowhere_else(kubectl: Kubectl) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/mine", "subPath": "deep/er"}]
    start(kubectl, "sub", {"volumeMounts": mounts}, volumes=[{"name": "v", "emptyDir": {}}])
    ready(kubectl, "sub")
    assert kubectl("exec", "sub", "--", "sh", "-c", "echo x > /mine/f; cat /v/deep/er/f") == "x\n"


def test_sidecars_outlive_what_they_serve(kubectl: Kubectl, tmp_path: Path) -> None:
    mount = {"volumeMounts": [{"name": "h", "mountPath": "/h"}]}

    def program(name: str) -> list[str]:
        return ["sh", "-c", f"trap 'echo {name} >> /h/log; exit 0' TERM; echo up-{name} >> /h/log; while true; do sleep 0.1; done"]

    sidecar = {"name": "side", "image": IMAGE, "restartPolicy": "Always", "command": program("side"), **mount}
    volume = {"name": "h", "hostPath": {"path": str(tmp_path)}}
    start(
        kubectl, "pair", {"command": program("app"), **mount}, initContainers=[sidecar], volumes=[volume], terminationGracePeriodSeconds=10
    )
    ready(kubectl, "pair")
    until("both are up", lambda: (tmp_path / "log").read_text().split() == ["up-side", "up-app"])
    kubectl("delete", "pod", "pair", "--timeout=30s")
    assert (tmp_path / "log").read_text().split() == ["up-side", "up-app", "app", "side"]


def test_nothing_is_left_of_a_pods_control_groups(kubectl: Kubectl) -> None:
    start(kubectl, "brief")
    ready(kubectl, "brief")
    uid = field(kubectl, "brief", ".metadata.uid")

    def groups() -> list[Path]:
        """In the node's mounts, where a hybrid machine's second hierarchy is only a directory."""
        return list(Path("/sys/fs/cgroup").rglob(f"*{uid}*"))

    place = str(RUN / "namespaces" / "mnt")
    assert namespaces.inside_mounts(place, groups)
    kubectl("delete", "pod", "brief", "--timeout=30s")
    assert namespaces.inside_mounts(place, groups) == []


def test_what_one_container_mounts_is_seen_by_others_that_ask_for_it(kubectl: Kubectl, tmp_path: Path) -> None:
    def mounted(propagation: str) -> dict[str, object]:
        return {"volumeMounts": [{"name": "h", "mountPath": "/h", "mountPropagation": propagation}]}

    watcher = {"name": "watcher", "image": IMAGE, "restartPolicy": "Always", "command": ["sleep", "3600"], **mounted("HostToContainer")}
    command = "mkdir /h/m && mount -t tmpfs none /h/m && echo seen > /h/m/file && sleep 3600"
    maker = {"command": ["sh", "-c", command], "securityContext": {"privileged": True}, **mounted("Bidirectional")}
    start(kubectl, "maker", maker, initContainers=[watcher], volumes=[{"name": "h", "hostPath": {"path": str(tmp_path)}}])
    ready(kubectl, "maker")
    look = ("exec", "maker", "-c", "watcher", "--", "sh", "-c", "cat /h/m/file || true")
    until("the mount is seen", lambda: kubectl(*look) == "seen\n")
    assert not (tmp_path / "m" / "file").exists()  # the machine's own mounts are nobody's business here
    kubectl("exec", "maker", "--", "umount", "/h/m")


def sized(**amounts: str) -> dict[str, object]:
    return {"resources": {"requests": amounts, "limits": amounts}}


def resize(kubectl: Kubectl, name: str, **amounts: str) -> None:
    """By a raw request: `--subresource` is younger than the oldest kubectl."""
    pod = kubectl.get("pod", name)
    pod["spec"]["containers"][0] |= sized(**amounts)
    del pod["metadata"]["resourceVersion"]
    kubectl("replace", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/pods/{name}/resize", "-f", "-", stdin=json.dumps(pod))
    given = json.dumps(amounts, separators=(",", ":"))
    until("it has them", lambda: field(kubectl, name, ".status.containerStatuses[0].resources.limits") == given)


def test_a_running_container_grows_and_shrinks(kubectl: Kubectl) -> None:
    start(kubectl, "elastic", sized(cpu="200m", memory="64Mi"))
    ready(kubectl, "elastic")
    identifier = field(kubectl, "elastic", ".status.containerStatuses[0].containerID")
    limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true"
    for cpu, memory in (("300m", "96Mi"), ("100m", "48Mi")):
        resize(kubectl, "elastic", cpu=cpu, memory=memory)
        assert kubectl("exec", "elastic", "--", "sh", "-c", limit) == f"{int(memory[:-2]) << 20}\n"
    assert field(kubectl, "elastic", ".status.containerStatuses[0].containerID") == identifier
    assert "PodResize" not in field(kubectl, "elastic", ".status.conditions[*].type")


def test_a_container_starts_anew_for_a_resource_that_asks_for_that(kubectl: Kubectl) -> None:
    policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    start(kubectl, "anew", {**sized(cpu="100m"), "resizePolicy": policy})
    ready(kubectl, "anew")
    resize(kubectl, "anew", cpu="300m")
    ready(kubectl, "anew")
    assert field(kubectl, "anew", ".status.containerStatuses[0].restartCount") == "1"
    quota = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
    assert kubectl("exec", "anew", "--", "sh", "-c", quota) == "30000\n"


def test_a_manifest_in_the_nodes_folder_is_a_static_pod(kubectl: Kubectl) -> None:
    folder = STATE / "manifests"
    folder.mkdir(exist_ok=True)
    pod = json.loads(manifest("fixed", {}))
    pod["metadata"]["namespace"] = kubectl.namespace
    (folder / "fixed.yaml").write_text(json.dumps(pod))
    name = f"fixed-{NAME}"
    until("the mirror is there", lambda: name in kubectl("get", "pods"), seconds=180)
    ready(kubectl, name)
    assert field(kubectl, name, ".metadata.ownerReferences[0].kind") == "Node"
    (folder / "fixed.yaml").unlink()
    until("the mirror is gone", lambda: name not in kubectl("get", "pods"), seconds=180)


def test_a_pod_ends_though_the_kubelet_dies_meanwhile(kubectl: Kubectl, kubeconfig: Path, tmp_path: Path) -> None:
    program = "trap 'echo term >> /h/log; sleep 1; echo bye >> /h/log; exit 0' TERM; while true; do sleep 0.1; done"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo begun >> /h/log; sleep 3; echo over >> /h/log"]}}}
    own = {"command": ["sh", "-c", program], "lifecycle": hook, "volumeMounts": [{"name": "h", "mountPath": "/h"}]}
    start(kubectl, "ending", own, volumes=[{"name": "h", "hostPath": {"path": str(tmp_path)}}], terminationGracePeriodSeconds=30)
    ready(kubectl, "ending")
    kubectl("delete", "pod", "ending", "--wait=false")
    log = tmp_path / "log"
    until("the hook runs", lambda: log.exists() and "begun" in log.read_text())
    os.kill(agent(), signal.SIGKILL)
    up = pilothouse("up", "--no-egress", "--name", NAME, environment={"KUBECONFIG": str(kubeconfig)})
    assert up.returncode == 0, up.stderr
    kubectl("wait", "--for=delete", "pod/ending", "--timeout=40s", timeout=240)
    assert log.read_text().split()[-3:] == ["over", "term", "bye"]  # the hook ran anew, and to its end
