"""A cluster's life as whoever types the commands sees it: up, status, down, up again, purge; two side by side; what goes wrong."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pilothouse.node import mounts, processes
from pilothouse.node.cgroups import remove_tree, root_of
from pilothouse.node.namespaces import real_root
from pilothouse.node.network import LAST_RESORT_METRIC, interface_name
from tests.e2e.namespaces import inside, words_inside
from tests.e2e.tools import EXAMPLES, Kubectl, kubectls, until

NAMES = (f"life-{os.getpid()}-a", f"life-{os.getpid()}-b")
"""Of this run alone: another one may be going on beside it."""
IMAGE = "pilothouse.local/busybox:1"


@dataclass
class PrefixedKubectl(Kubectl):
    """Run by way of other words, as `nsenter`."""

    prefix: Sequence[str] = ()

    def command(self, *arguments: str) -> list[str]:
        return [*self.prefix, *super().command(*arguments)]


class Machine:
    """One cluster, driven through the command line with a kubeconfig of its own."""

    def __init__(self, name: str, kubeconfig: Path) -> None:
        self.name = name
        self.kubeconfig = kubeconfig
        self.prefix: list[str] = []

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self.prefix, sys.executable, "-m", "pilothouse", *arguments, "--name", self.name]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)

    def up(self, *options: str) -> str:
        done = self.run("up", "--no-egress", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def down(self, *options: str) -> str:
        done = self.run("down", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--output", "json").stdout)
        return found

    def process_ids(self) -> dict[str, int]:
        status = self.status()
        found = {name: process["pid"] for name, process in status["processes"].items()}
        return {**found, "containerd": status["runtime"]["pid"], "supervisor": status["supervisor"]["pid"]}

    def kubectl(self) -> Kubectl:
        return PrefixedKubectl(kubectls()["path"], self.kubeconfig, "default", self.prefix)

    def traces(self) -> dict[str, list[str]]:
        """Everything on this machine that bears the cluster's name or ranges."""
        record = Path(f"/var/lib/pilothouse/{self.name}/cluster.json")
        block = json.loads(record.read_text())["block"] if record.exists() else "no block"
        prefix = block.rsplit(".", 2)[0] + "."
        interface = interface_name(self.name)
        return {
            "processes": [words for words in running_commands().values() if self.name in words and "pytest" not in words],
            "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if self.name in line],
            "namespaces": [line for line in shell("ip", "netns") if line.split()[0] == f"pilothouse-{self.name}"],
            "interfaces": [line for line in shell("ip", "-o", "link") if interface in line],
            "routes": [line for line in shell("ip", "-4", "route", "show", "table", "all") if interface in line or prefix in line],
            "rules": [line for line in shell("nft", "list", "ruleset") if self.name in line or self.name.replace("-", "_") in line],
            "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/pilothouse-{self.name}")],
            "files": [
                str(path)
                for folder in ("/var/lib/pilothouse", "/run/pilothouse", "/var/log/pilothouse", "/run/netns")
                if os.path.isdir(folder)
                for path in Path(folder).iterdir()
                if self.name in path.name
            ],
        }


def shell(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def running_commands() -> dict[int, str]:
    """Every process and its command line: `ps` is not on every machine."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def remaining(traces: dict[str, list[str]]) -> str:
    """What there is, as a text that a failing assertion shows whole."""
    return "; ".join(f"{name}: {found}" for name, found in traces.items() if found)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[Machine]]:
    """Two clusters that are not there yet, and are gone afterwards whatever happens."""
    assert os.geteuid() == 0, "end-to-end tests need root: run `make e2e`"
    made = [Machine(name, tmp_path / "kubeconfig") for name in NAMES]
    for machine in made:
        machine.down("--purge")
    yield made
    for machine in made:
        machine.down("--purge")


@pytest.fixture
def machine(machines: list[Machine]) -> Machine:
    return machines[0]


def run_pod(machine: Machine, name: str) -> Kubectl:
    kubectl = machine.kubectl()
    kubectl("run", name, f"--image={IMAGE}", "--command", "--", "sleep", "3600")
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=180s")
    return kubectl


def container_of(kubectl: Kubectl, pod: str) -> tuple[str, int]:
    status = kubectl.get("pod", pod)["status"]["containerStatuses"][0]
    return status["containerID"], status["restartCount"]


def test_up_status_down_up_purge(machine: Machine) -> None:
    said = machine.up()
    assert re.search(r"API served \(\d+\.\d+ s\)", said)
    assert "node Ready" in said
    assert f"context is pilothouse-{machine.name}" in said
    kubectl = run_pod(machine, "first")
    status = machine.status()
    assert (status["state"], status["apiReady"], status["nodes"]) == ("Running", True, [{"name": machine.name, "ready": True}])
    assert all(process["running"] for process in status["processes"].values())
    uid = kubectl.get("pod", "first")["metadata"]["uid"]

    machine.down()
    stopped = machine.run("status")
    assert (stopped.returncode, "Stopped" in stopped.stdout) == (3, True)
    left = machine.traces()
    assert not left["processes"]
    assert not left["mounts"]
    assert not left["namespaces"]
    assert not left["interfaces"]
    assert not left["routes"]
    assert not left["cgroups"]

    machine.up()
    assert kubectl.get("pod", "first")["metadata"]["uid"] == uid, "state is kept"
    until("its container runs again", lambda: kubectl.run("exec", "first", "--", "true").returncode == 0)
    assert container_of(kubectl, "first")[1] == 1, "restarted once, by its restart policy"

    block = machine.traces()
    assert block["routes"]
    machine.down("--purge")
    assert remaining(machine.traces()) == ""


def test_up_twice_changes_nothing(machine: Machine) -> None:
    machine.up()
    before = machine.process_ids()
    assert "runs already" in machine.up()
    assert machine.process_ids() == before


@pytest.mark.parametrize("victim", ["control-plane", "node-agent", "containerd"])
def test_killing_one_process_harms_no_container(machine: Machine, victim: str) -> None:
    machine.up()
    kubectl = run_pod(machine, "bystander")
    before = container_of(kubectl, "bystander")
    ids = machine.process_ids()
    os.kill(ids[victim], signal.SIGKILL)
    if victim == "containerd":
        until("its keeper starts it again", lambda: machine.status()["runtime"]["pid"] not in (None, ids[victim]))
    else:
        machine.up()
    assert machine.process_ids()[victim] != ids[victim]
    until("exec answers", lambda: kubectl.run("exec", "bystander", "--", "true").returncode == 0)
    assert container_of(kubectl, "bystander") == before
    run_pod(machine, "afterwards")


def test_renewed_certificates_are_read_by_what_runs_and_no_container_notices(machine: Machine) -> None:
    machine.up()
    kubectl = run_pod(machine, "bystander")
    before, ids = container_of(kubectl, "bystander"), machine.process_ids()
    certificate = Path(f"/var/lib/pilothouse/{machine.name}/pki/apiserver.crt")
    old = certificate.read_text()
    certificate.unlink()
    assert "certificates are renewed" in machine.up()
    now = machine.process_ids()
    assert now["control-plane"] != ids["control-plane"]
    assert now["node-agent"] != ids["node-agent"]
    assert now["containerd"] == ids["containerd"]
    port = int(machine.status()["server"].rpartition(":")[2])
    assert ssl.get_server_certificate(("127.0.0.1", port)).strip() == certificate.read_text().strip() != old.strip()
    until("exec answers", lambda: kubectl.run("exec", "bystander", "--", "true").returncode == 0)
    assert container_of(kubectl, "bystander") == before
    assert "runs already" in machine.up()


def test_purge_after_everything_was_killed_leaves_nothing(machine: Machine) -> None:
    machine.up()
    run_pod(machine, "orphan")
    marker = machine.name
    for process_id, words in running_commands().items():
        if marker in words and "pytest" not in words and ("pilothouse" in words or "containerd" in words):
            os.kill(process_id, signal.SIGKILL)
    until("all are dead", lambda: machine.status()["state"] == "Stopped")
    machine.down("--purge")
    assert remaining(machine.traces()) == ""


def test_up_takes_over_what_a_crash_left(machine: Machine) -> None:
    machine.up()
    kubectl = run_pod(machine, "survivor")
    before = container_of(kubectl, "survivor")
    for process_id in machine.process_ids().values():
        os.kill(process_id, signal.SIGKILL)
    machine.up()
    until("exec answers", lambda: kubectl.run("exec", "survivor", "--", "true").returncode == 0)
    assert container_of(kubectl, "survivor") == before


def test_a_cluster_comes_back_after_the_machine_started_again(machine: Machine) -> None:
    machine.up()
    kubectl = run_pod(machine, "survivor")
    uid = kubectl.get("pod", "survivor")["metadata"]["uid"]
    start_again(machine)
    assert machine.status()["state"] == "Stopped"
    left = machine.traces()
    assert not any(left[kind] for kind in ("processes", "mounts", "namespaces", "interfaces", "routes", "cgroups")), left
    assert "node Ready" in machine.up()
    until("its container runs anew", lambda: kubectl.run("exec", "survivor", "--", "true").returncode == 0)
    assert kubectl.get("pod", "survivor")["metadata"]["uid"] == uid
    assert container_of(kubectl, "survivor")[1] == 1, "restarted once, by its restart policy"
    run_pod(machine, "afterwards")


def start_again(machine: Machine) -> None:
    """What a machine that loses its power forgets: everything but what is on disk."""
    run = f"/run/pilothouse/{machine.name}"
    block = json.loads(Path(f"/var/lib/pilothouse/{machine.name}/cluster.json").read_text())["block"]
    group = root_of(machine.name)
    node = processes.in_namespace(f"{run}/namespaces/mnt", "mnt")
    own = [one for one in map(processes.identify, machine.process_ids().values()) if one is not None]
    processes.kill([*own, *node, *processes.in_cgroup(group)])
    processes.kill(processes.in_cgroup(group))  # what a shim was about to start
    remove_tree(group)
    mounts.unmount_below(run)
    shell("rm", "-rf", run)
    shell("ip", "link", "delete", interface_name(machine.name))
    shell("ip", "route", "delete", "unreachable", block, "metric", str(LAST_RESORT_METRIC))
    shell("ip", "netns", "delete", f"pilothouse-{machine.name}")


UNUSED = ("starting the cluster", "network ready", "certificates ready")
"""Moments at which nobody can have used a new cluster."""


@pytest.mark.parametrize("moment", [*UNUSED, "API served", "kubeconfig written", "node agent running"])
def test_who_interrupts_up_leaves_nothing_running_and_is_told_what_to_do(machine: Machine, moment: str) -> None:
    command = [sys.executable, "-u", "-m", "pilothouse", "up", "--no-egress", "--name", machine.name]
    environment = {**os.environ, "KUBECONFIG": str(machine.kubeconfig)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if moment in line:
                up.send_signal(signal.SIGINT)
                up.send_signal(signal.SIGINT)  # who presses it twice ends nothing half-way
                break
        _, told = up.communicate(timeout=180)
    assert up.returncode == 130, told
    assert told == (
        f"pilothouse: interrupted; what was begun is put away\n  what to do: start it again: pilothouse up --name {machine.name}\n"
    )
    left = machine.traces()
    files = left.pop("files")
    assert remaining(left) == ""
    if moment in UNUSED:
        assert (files, machine.kubeconfig.exists()) == ([], False)
    assert files or not machine.kubeconfig.exists(), "a context leads to a cluster that can be started again"
    machine.up()


@pytest.mark.parametrize("moment", ["starting the cluster", "certificates ready", "API served", "kubeconfig written"])
def test_after_kill_9_of_up_another_up_goes_on(machine: Machine, moment: str) -> None:
    command = [sys.executable, "-u", "-m", "pilothouse", "up", "--no-egress", "--name", machine.name]
    with subprocess.Popen(command, env={**os.environ, "KUBECONFIG": str(machine.kubeconfig)}, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if moment in line:
                up.kill()
                break
    machine.up()
    assert machine.status()["state"] == "Running"
    for log in Path(f"/var/log/pilothouse/{machine.name}").glob("*.log"):
        assert "this is a bug" not in log.read_text()


@pytest.mark.parametrize("path", ["/usr/bin:/bin", None], ids=["without sbin, as after su", "none"])
def test_programs_are_found_whatever_the_callers_path(machine: Machine, monkeypatch: pytest.MonkeyPatch, path: str | None) -> None:
    with monkeypatch.context() as patched:
        if path is None:
            patched.delenv("PATH")
        else:
            patched.setenv("PATH", path)
        assert "node Ready" in machine.up()
        machine.down("--purge")
    assert remaining(machine.traces()) == ""


def test_processes_whose_pid_files_are_lost_end_all_the_same(machine: Machine) -> None:
    machine.up()
    for file in Path(f"/run/pilothouse/{machine.name}").glob("*.pid"):
        file.unlink()
    machine.down("--purge")
    assert remaining(machine.traces()) == ""


def test_a_cluster_whose_record_is_damaged_is_purged(machine: Machine) -> None:
    machine.up()
    Path(f"/var/lib/pilothouse/{machine.name}/cluster.json").write_text('{"name":')
    refused = machine.run("down")
    assert (refused.returncode, "pilothouse down --purge" in refused.stderr) == (1, True)
    machine.down("--purge")
    assert remaining(machine.traces()) == ""
    assert not machine.kubeconfig.exists(), "it was created for this cluster, and nothing else is in it"


def test_a_disk_for_the_state_stays_mounted_and_is_too_small(machine: Machine) -> None:
    state = Path(f"/var/lib/pilothouse/{machine.name}")
    state.mkdir(parents=True)
    shell("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(state))
    try:
        refused = machine.run("up", "--no-egress")
        assert (refused.returncode, "make room on that disk" in refused.stderr, "Traceback" in refused.stderr) == (1, True, False)
        shell("mount", "-o", "remount,size=100m", str(state))
        machine.up()
        machine.down()
        assert (state / "store.db").exists(), "on the disk, which nobody has unmounted"
        machine.down("--purge")
        assert [*state.iterdir()] == []
    finally:
        shell("umount", str(state))
        state.rmdir()


def test_a_new_cluster_that_does_not_start_leaves_nothing(machine: Machine) -> None:
    machine.kubeconfig.write_text("{broken")
    refused = machine.run("up", "--no-egress")
    assert (refused.returncode, "not valid YAML" in refused.stderr, "mend this one" in refused.stderr) == (1, True, True)
    assert remaining(machine.traces()) == ""
    assert machine.kubeconfig.read_text() == "{broken"


def test_who_interrupts_an_up_that_mends_leaves_what_ran(machine: Machine) -> None:
    machine.up()
    kubectl = run_pod(machine, "bystander")
    before, ids = container_of(kubectl, "bystander"), machine.process_ids()
    os.kill(ids["node-agent"], signal.SIGKILL)
    command = [sys.executable, "-u", "-m", "pilothouse", "up", "--no-egress", "--name", machine.name]
    with subprocess.Popen(command, env={**os.environ, "KUBECONFIG": str(machine.kubeconfig)}, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if "kubeconfig written" in line:
                up.send_signal(signal.SIGINT)
                break
        up.communicate(timeout=180)
    assert machine.process_ids()["control-plane"] == ids["control-plane"]
    machine.up()
    until("exec answers", lambda: kubectl.run("exec", "bystander", "--", "true").returncode == 0)
    assert container_of(kubectl, "bystander") == before


def test_two_clusters_side_by_side(machines: list[Machine], tmp_path: Path) -> None:
    one, two = machines
    two.kubeconfig = tmp_path / "other"
    one.up()
    two.up()
    first, second = one.status(), two.status()
    assert first["server"] != second["server"]
    for kind in ("node", "pods", "services"):
        assert first["network"][kind] != second["network"][kind]
    run_pod(one, "here")
    assert [pod["metadata"]["name"] for pod in two.kubectl().get("pods")["items"]] == []
    run_pod(two, "there")
    two.down("--purge")
    assert one.status()["state"] == "Running"
    assert one.kubectl()("exec", "here", "--", "echo", "still here").strip() == "still here"


def test_two_clusters_started_at_once_share_nothing(machines: list[Machine], tmp_path: Path) -> None:
    for number, machine in enumerate(machines):
        machine.kubeconfig = tmp_path / f"kubeconfig-{number}"
    with ThreadPoolExecutor(len(machines)) as pool:
        for said in pool.map(Machine.up, machines):
            assert "node Ready" in said
    blocks = {machine.status()["network"]["services"] for machine in machines}
    assert len(blocks) == len({machine.status()["server"] for machine in machines}) == len(machines)


def test_contexts_of_others_stay(machine: Machine) -> None:
    other = {"name": "work", "cluster": {"server": "https://work.example"}}
    machine.kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [other],
                "users": [{"name": "work", "user": {"token": "t"}}],
                "contexts": [{"name": "work", "context": {"cluster": "work", "user": "work"}}],
                "current-context": "work",
            }
        )
    )
    machine.up()
    kubectl = machine.kubectl()
    assert kubectl("config", "current-context").strip() == "work", "taken over only when asked"
    machine.up("--use-context")
    assert kubectl("config", "current-context").strip() == f"pilothouse-{machine.name}"
    assert set(kubectl("config", "get-contexts", "-o", "name").split()) == {"work", f"pilothouse-{machine.name}"}
    elsewhere = machine.kubeconfig
    machine.kubeconfig = elsewhere.with_name("another")
    machine.up()
    assert kubectl.run("config", "get-contexts", "-o", "name").returncode == 0
    machine.down("--purge")
    assert kubectl("config", "get-contexts", "-o", "name").split() == ["work"], "out of every file it was written to"
    assert not machine.kubeconfig.exists(), "it was created for this cluster, and nothing else is in it"


def test_services_answer_from_the_host_and_nothing_leaks(machine: Machine) -> None:
    machine.up()
    kubectl = machine.kubectl()
    kubectl("apply", "-f", str(EXAMPLES / "hello.yaml"))
    kubectl("rollout", "status", "deployment/hello", "--timeout=180s")
    service = kubectl.get("service", "hello")["spec"]
    node = machine.status()["network"]["node"]
    node_port = service["ports"][0]["nodePort"]
    for address, port in ((service["clusterIP"], service["ports"][0]["port"]), (node, node_port), ("127.0.0.1", node_port)):
        assert ask(address, port).startswith("hello-")
    routes = inside(f"pilothouse-{machine.name}", "ip", "route").splitlines()
    assert not [line for line in routes if line.startswith("default")], "no way out"
    block = machine.status()["network"]["services"]
    subprocess.run(["ip", "link", "delete", interface_name(machine.name)], check=True)
    told = subprocess.run(["ip", "route", "get", block.partition("/")[0]], capture_output=True, text=True, check=False)
    assert "unreachable" in told.stderr.lower() or "no route" in told.stderr.lower(), "with the link gone, nothing takes the default route"
    machine.up()
    assert ask(service["clusterIP"], service["ports"][0]["port"]).startswith("hello-"), "up mends the link"


def ask(address: str, port: int) -> str:
    connection = http.client.HTTPConnection(address, port, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_on_the_machines_own_network(machines: list[Machine]) -> None:
    """The machine is a network namespace here, with one address and no way out."""
    machine, other = machines
    place = f"machine-{os.getpid()}"
    shell("ip", "netns", "add", place)
    try:
        for words in ("link set lo up", "link add wire type bridge", "addr add 198.51.100.7/24 dev wire", "link set wire up"):
            inside(place, "ip", *words.split())
        before = inside(place, "ip", "-4", "route", "show", "table", "all")
        machine.prefix = other.prefix = words_inside(place)
        machine.up("--network", "host")
        assert machine.status()["network"]["node"] == "198.51.100.7"
        refused = other.run("up", "--network", "host", "--no-egress")
        assert (refused.returncode, "has the machine's network already" in refused.stderr) == (1, True)
        kubectl = run_pod(machine, "here")
        assert kubectl("exec", "here", "--", "nslookup", "kubernetes.default.svc.cluster.local").count("Address") == 2
        machine.down("--purge")
        assert inside(place, "ip", "-4", "route", "show", "table", "all") == before
        assert [line.split(": ")[1] for line in inside(place, "ip", "-o", "link").splitlines()] == ["lo", "wire"]
        assert inside(place, "nft", "list", "ruleset") == ""
    finally:
        machine.down("--purge")
        other.down("--purge")
        machine.prefix = other.prefix = []
        shell("ip", "netns", "delete", place)


@pytest.fixture
def chroot(tmp_path: Path) -> Iterator[list[str]]:
    """Words that lead into a chroot (a tree that is no root of its mount namespace) in which no cgroups are mounted."""
    tree = tmp_path / "tree"
    tree.mkdir()
    cgroups = f"{tree}/sys/fs/cgroup"
    unmounted = f"if mountpoint -q {cgroups}; then umount --recursive --lazy {cgroups}; fi"
    alone = "mount --make-rprivate / 2>/dev/null || true"  # refused where this already is a chroot, whose root is no mount point
    made = f"{alone}; mount --rbind / {tree} && {unmounted} && echo made && exec sleep infinity"
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", made], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stderr is not None
        assert holder.stdout.readline() == "made\n", holder.stderr.read()
        seen = real_root().rstrip("/") + str(tree)  # by nsenter, which leaves the chroot that this may run in
        yield ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "chroot", seen]
    finally:
        holder.kill()
        holder.communicate()


def test_in_a_chroot_without_cgroups(machine: Machine, chroot: list[str]) -> None:
    try:
        machine.prefix = chroot
        machine.up()
        kubectl = run_pod(machine, "here")
        assert kubectl("exec", "here", "--", "cat", "/etc/hostname") == "here\n", "exec finds the container's root, not the machine's"
        assert "kubepods" in kubectl("exec", "here", "--", "cat", "/proc/1/cgroup"), "in groups of its own, though none are mounted outside"
        machine.down()
        machine.up()
        until("its container runs again", lambda: kubectl.run("exec", "here", "--", "true").returncode == 0)
        machine.down("--purge")
    finally:
        machine.down("--purge")
        machine.prefix = []
    assert remaining(machine.traces()) == ""


def test_the_callers_umask_is_not_the_containers(machine: Machine) -> None:
    machine.prefix = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    machine.up()
    kubectl = machine.kubectl()
    somebody = json.dumps({"spec": {"securityContext": {"runAsUser": 1000, "runAsGroup": 1000}}})
    kubectl("run", "somebody", f"--image={IMAGE}", f"--overrides={somebody}", "--command", "--", "sleep", "3600")
    kubectl("wait", "--for=condition=Ready", "pod/somebody", "--timeout=180s")
    assert kubectl("exec", "somebody", "--", "cat", "/etc/hostname") == "somebody\n"
    assert kubectl("exec", "somebody", "--", "stat", "-c", "%a", "/").strip() == "755"


def test_what_is_wrong_is_said(machine: Machine) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        taken = machine.run("up", "--no-egress", "--port", str(port))
    assert (taken.returncode, f"port {port} of 127.0.0.1 is taken" in taken.stderr) == (1, True)
    assert "what to do:" in taken.stderr
    assert remaining(machine.traces()) == ""

    unknown = machine.run("status")
    assert (unknown.returncode, "there is no cluster named" in unknown.stderr) == (1, True)

    machine.up()
    other = machine.run("up", "--port", "7777")
    assert (other.returncode, "stands already" in other.stderr) == (1, True)
    assert machine.status()["state"] == "Running"


@pytest.mark.parametrize("command", ["up", "down"])
def test_without_root_nothing_is_begun(machine: Machine, command: str) -> None:
    status, said = as_nobody([command, "--name", machine.name])
    assert (status, "pilothouse needs root" in said, "what to do: run it again with sudo" in said) == (1, True, True)
    assert remaining(machine.traces()) == ""


def as_nobody(words: list[str]) -> tuple[int, str]:
    """The command line in a process that gave root away; what it imports is there before, since the checkout may be root's alone."""
    import pilothouse.cluster.down
    import pilothouse.cluster.up  # noqa: F401
    from pilothouse.cmd import pilothouse as command_line

    read, write = os.pipe()
    process_id = os.fork()
    if process_id == 0:
        try:
            os.dup2(write, 1)
            os.dup2(write, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            command_line.main(words)
        except SystemExit as ended:
            sys.stderr.flush()
            os._exit(int(ended.code or 0))
        finally:
            os._exit(70)
    os.close(write)
    with os.fdopen(read) as output:
        said = output.read()
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]), said


NOBODY = 65534
