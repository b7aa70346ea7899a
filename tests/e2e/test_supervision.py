"""What ends, stops or vanishes under a running cluster is there again within seconds, and no container notices."""

from __future__ import annotations

import os
import signal
import socket
import struct
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.node import mounts
from pilothouse.node.network import interface_name
from tests.e2e.namespaces import inside, within
from tests.e2e.test_cluster_lifecycle import IMAGE, Machine, container_of, remaining, run_pod, shell
from tests.e2e.tools import Kubectl, until

NAME = f"kept-{os.getpid()}"
SECONDS = 180.0


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A cluster that all tests of this file share: each leaves it running."""
    made = Machine(NAME, tmp_path_factory.mktemp("kept") / "kubeconfig")
    made.down("--purge")
    made.up()
    yield made
    made.down("--purge")
    assert remaining(made.traces()) == ""


@pytest.fixture(scope="module")
def bystander(machine: Machine) -> Kubectl:
    """A kubectl, with a pod named `bystander` that nothing may touch."""
    return run_pod(machine, "bystander")


def process_id(machine: Machine, name: str) -> int | None:
    status = machine.status()
    found: int | None = {**status["processes"], "containerd": status["runtime"], "supervisor": status["supervisor"]}[name]["pid"]
    return found


def is_well(machine: Machine) -> bool:
    status = machine.status()
    return bool(status["state"] == "Running" and status["supervisor"]["running"])


def comes_again(machine: Machine, name: str, old: int | None) -> None:
    until(f"{name} is started again", lambda: process_id(machine, name) not in (None, old), SECONDS)
    until("the cluster is well", lambda: is_well(machine), SECONDS)


@pytest.mark.parametrize("victim", ["control-plane", "node-agent", "containerd", "supervisor"])
def test_what_is_killed_is_started_again(machine: Machine, bystander: Kubectl, victim: str) -> None:
    before = container_of(bystander, "bystander")
    until("the supervisor runs", lambda: is_well(machine), SECONDS)
    old = process_id(machine, victim)
    assert old is not None
    os.kill(old, signal.SIGKILL)
    comes_again(machine, victim, old)
    until("exec answers", lambda: bystander.run("exec", "bystander", "--", "true").returncode == 0, SECONDS)
    assert container_of(bystander, "bystander") == before
    run_pod(machine, f"after-{victim}")


@pytest.mark.parametrize("victim", ["control-plane", "node-agent", "supervisor"])
def test_what_a_signal_stops_is_noticed(machine: Machine, bystander: Kubectl, victim: str) -> None:
    before = container_of(bystander, "bystander")
    until("the supervisor runs", lambda: is_well(machine), SECONDS)
    old = process_id(machine, victim)
    assert old is not None
    os.kill(old, signal.SIGSTOP)
    assert f"{victim:<14} process {old} is stopped by a signal" in machine.run("status").stdout
    comes_again(machine, victim, old)
    assert container_of(bystander, "bystander") == before


def test_down_ends_what_would_be_started_again(machine: Machine, bystander: Kubectl) -> None:
    victim = process_id(machine, "control-plane")
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    machine.down()
    left = machine.traces()
    assert not left["processes"], left
    assert machine.status()["state"] == "Stopped"
    machine.up()
    until("its container runs again", lambda: bystander.run("exec", "bystander", "--", "true").returncode == 0, SECONDS)


@pytest.mark.parametrize("how", ["missing", "emptied"])
def test_a_store_that_is_gone_is_an_error_and_no_new_cluster(machine: Machine, bystander: Kubectl, how: str) -> None:
    uid = bystander.get("namespace", "default")["metadata"]["uid"]
    machine.down()
    store = Path(f"/var/lib/pilothouse/{NAME}/store.db")
    aside = store.with_name("aside")
    store.rename(aside)
    if how == "emptied":
        store.touch()
    refused = machine.run("up", "--no-egress")
    assert refused.returncode == 1
    assert f"the store {store} is {'missing' if how == 'missing' else 'empty'}" in refused.stderr
    assert "put a copy of it back" in refused.stderr
    aside.rename(store)
    machine.up()
    assert bystander.get("namespace", "default")["metadata"]["uid"] == uid


def test_a_store_that_is_removed_under_the_server_takes_no_writes(machine: Machine, bystander: Kubectl) -> None:
    store = Path(f"/var/lib/pilothouse/{NAME}/store.db")
    aside = store.with_name("aside")
    store.rename(aside)
    try:
        refused = bystander.fails("create", "configmap", "lost")
        assert "is gone" in refused
        assert "put a copy of it back" in refused
        assert bystander.get("pod", "bystander")["metadata"]["name"] == "bystander"
    finally:
        aside.rename(store)
    bystander("create", "configmap", "kept")


def test_a_full_disk_refuses_writes_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    machine = Machine(f"full-{os.getpid()}", tmp_path / "kubeconfig")
    state = Path(f"/var/lib/pilothouse/{machine.name}")
    state.mkdir(parents=True)
    shell("mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(state))
    filler = state / "filler"
    try:
        machine.up()
        kubectl = run_pod(machine, "bystander")
        before = container_of(kubectl, "bystander")
        fill(filler)
        large = f"--from-literal=data={'x' * 100_000}"
        refused = until("a write is refused", lambda: refusal(kubectl, large))
        assert "Internal error" in refused
        assert "full" in refused
        assert kubectl.get("pod", "bystander")["status"]["phase"] == "Running", "reads go on"
        old = process_id(machine, "control-plane")
        assert old is not None
        os.kill(old, signal.SIGKILL)
        until("it serves again", lambda: process_id(machine, "control-plane") not in (None, old), SECONDS)
        until("reads go on after a restart", lambda: kubectl.run("get", "pod", "bystander").returncode == 0, SECONDS)
        filler.unlink()
        until("writes go on", lambda: kubectl.run("create", "configmap", "afterwards", large).returncode == 0, SECONDS)
        run_pod(machine, "afterwards")
        assert container_of(kubectl, "bystander") == before
    finally:
        machine.down("--purge")
        mounts.unmount_below(str(state))
        state.rmdir()
    assert remaining(machine.traces()) == ""


LOSSES = {
    "the link to the host": ("", "ip link delete {interface}"),
    "the host's routes": ("", "ip route flush dev {interface}"),
    "the host's address": ("", "ip addr flush dev {interface}"),
    "the pods' bridge": ("node", "ip link delete pilot0"),
    "a pod's interface": ("node", "ip link delete {veth}"),
    "the services' bridge": ("node", "ip link delete pilot-services"),
    "the node's address": ("node", "ip addr flush dev eth0"),
    "a link that is up": ("node", "ip link set eth0 down"),
    "the service rules": ("node", "nft delete table ip pilothouse-proxy"),
    "every rule of the node": ("node", "nft flush ruleset"),
}


@pytest.fixture(scope="module")
def service(machine: Machine) -> tuple[Kubectl, str]:
    """A Service's address, with a pod that answers there."""
    kubectl = machine.kubectl()
    kubectl("run", "web", f"--image={IMAGE}", "--port=80", "--expose", "--command", "--", "sh", "-c", SERVE)
    kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=180s")
    return kubectl, kubectl.get("service", "web")["spec"]["clusterIP"]


SERVE = "echo hello > /var/www/index.html; exec httpd -f -p 80 -h /var/www"


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_removed_of_the_network_is_made_again(
    machine: Machine, bystander: Kubectl, service: tuple[Kubectl, str], loss: str
) -> None:
    kubectl, address = service
    until("the supervisor runs", lambda: is_well(machine), SECONDS)
    before = container_of(bystander, "bystander")

    def answers() -> bool:
        inside_pod = kubectl.run("exec", "bystander", "--", "wget", "-T", "2", "-q", "-O", "-", f"http://{address}/").stdout
        return from_host(address) == "hello" and inside_pod == "hello\n"

    until("the service answers", answers, SECONDS)
    where, words = LOSSES[loss]
    place = f"pilothouse-{machine.name}"
    veth = next(line.split(": ")[1].partition("@")[0] for line in inside(place, "ip", "-o", "link").splitlines() if "veth" in line)
    command = words.format(interface=interface_name(machine.name), veth=veth).split()
    if where:
        inside(place, *command)
    else:
        shell(*command)
    until(f"{loss} is made again", answers, SECONDS)
    assert container_of(bystander, "bystander") == before


@pytest.mark.parametrize("loss", ["nft flush ruleset", "nft flush chain ip nat CNI-HOSTPORT-DNAT"])
def test_rules_of_host_ports_that_were_removed_are_made_again(machine: Machine, bystander: Kubectl, loss: str) -> None:
    until("the supervisor runs", lambda: is_well(machine), SECONDS)
    port = {"containerPort": 80, "hostPort": 8099}
    container = {"name": "web", "image": IMAGE, "command": ["sh", "-c", SERVE], "ports": [port]}
    pod = {"metadata": {"name": "host-port"}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    bystander.apply({"apiVersion": "v1", "kind": "Pod", **pod})
    bystander("wait", "--for=condition=Ready", "pod/host-port", "--timeout=180s")
    address = f"{bystander.get('pod', 'host-port')['status']['hostIP']}:8099"
    until("the host port answers", lambda: from_host(address) == "hello", SECONDS)
    inside(f"pilothouse-{machine.name}", *loss.split())
    until("it answers again", lambda: from_host(address) == "hello", SECONDS)
    bystander("delete", "pod", "host-port", "--timeout=60s")
    rules = inside(f"pilothouse-{machine.name}", "nft", "list", "ruleset")
    assert "8099" not in rules, "they end with their pod"


def test_tracked_connections_that_were_forgotten_harm_nobody(machine: Machine, bystander: Kubectl, service: tuple[Kubectl, str]) -> None:
    kubectl, address = service
    until("the service answers", lambda: from_host(address) == "hello", SECONDS)
    before = container_of(bystander, "bystander")
    within(f"pilothouse-{machine.name}", flush_conntrack)
    assert from_host(address) == "hello"
    assert kubectl("exec", "bystander", "--", "wget", "-T", "5", "-q", "-O", "-", f"http://{address}/") == "hello\n"
    assert kubectl("get", "--raw", "/readyz") == "ok"
    assert container_of(bystander, "bystander") == before


def flush_conntrack() -> None:
    """What `conntrack -F` asks the kernel for: IPCTNL_MSG_CT_DELETE without a tuple."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as kernel:
        kernel.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, socket.AF_UNSPEC, 0, 0))
        answer = kernel.recv(4096)
    assert struct.unpack_from("=HH", answer, 4)[0] == 2, "an acknowledgement"
    assert struct.unpack_from("=i", answer, 16)[0] == 0


def from_host(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=2) as answer:
            return str(answer.read().decode().strip())
    except OSError:
        return ""


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as opened:
        try:
            while opened.write(bytes(1 << 16)):
                pass
        except OSError:
            return


def refusal(kubectl: Kubectl, large: str) -> str:
    """What is said of a write; empty when it succeeds, as some do that find room in pages that are there."""
    done = kubectl.run("create", "configmap", f"more-{os.urandom(4).hex()}", large)
    return done.stderr if done.returncode else ""
