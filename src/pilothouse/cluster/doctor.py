"""Checks of what this machine lacks for clusters with containers, with remedies; nothing is changed.

Namespaces, interfaces and rules are tried in a child process that has a network and mount namespace of its own, which end with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pilothouse.cluster import launch, preflight
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.launch import CONTROL_PLANE
from pilothouse.cluster.state import DEFAULT_PORT, Places, all_clusters
from pilothouse.node import containerd, linux

FREE_BYTES = 1 << 30
OLDEST_KUBECTL = "1.27"
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)
LINES = (
    "link set lo up",
    "link add try type bridge",
    "link add try0 type veth peer name try1",
)
RULES = """add table ip try
add chain ip try c { type nat hook prerouting priority -100; }
add rule ip try c numgen random mod 2 vmap { 0 : drop }
"""
MODULES = "modprobe bridge veth nf_tables nf_nat overlay"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a check. `needed`: without it there are no containers."""

    name: str
    problem: str = ""
    remedy: str = ""
    needed: bool = True

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


def examine(root: Path = Path("/")) -> list[Finding]:
    """Run all checks, in the order in which their problems should be solved."""
    checks: list[tuple[str, Callable[[], None]]] = [
        ("root", preflight.check_root),
        ("/proc", preflight.check_proc),
        ("programs", preflight.check_programs),
        ("container runtime", check_runtime),
    ]
    if os.geteuid() == 0:  # others cannot try
        checks += [("capabilities", preflight.check_capabilities), ("kernel: namespaces, bridge, veth, nftables", check_kernel)]
    findings = [finding(name, check, True) for name, check in checks]
    beside: list[tuple[str, Callable[[], None]]] = [
        ("Python", check_python),
        ("kubectl", check_kubectl),
        ("disk", lambda: check_disk(Places("", root).clusters)),
        (f"port {DEFAULT_PORT}", lambda: check_port(root)),
    ]
    return [*findings, *(finding(name, check, False) for name, check in beside)]


def finding(name: str, check: Callable[[], None], needed: bool) -> Finding:
    """Result of one check: its ClusterFailure, or success."""
    try:
        check()
    except ClusterFailure as failure:
        return Finding(name, failure.problem, failure.remedy, needed)
    except OSError as error:
        return Finding(name, str(error), "run it as root: sudo pilothouse doctor", needed)
    return Finding(name, needed=needed)


def check_kernel() -> None:
    """Try in a child what the node needs of the kernel."""
    preflight.check_root()
    child = "import sys; from pilothouse.cluster.doctor import try_kernel; sys.exit(try_kernel())"
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    if done.returncode:
        told = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise ClusterFailure(
            f"the kernel does not allow what a node needs: {told[0]}",
            f"run it on the machine itself, or in a container started with --privileged; kernel modules: {MODULES}",
        )


def try_kernel() -> int:
    """In a child process: create namespaces, a bridge, a veth pair and a rule; failures go to standard error."""
    linux.unshare(linux.CLONE_NEWNET | linux.CLONE_NEWNS)
    for command, text in (["ip", "-batch", "-"], "\n".join(LINES) + "\n"), (["nft", "-f", "-"], RULES):
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, env=linux.environment())
        if done.returncode:
            print(f"{command[0]}: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else 'failed'}", file=sys.stderr)
            return 1
    return 0


def check_runtime() -> None:
    """ClusterFailure when neither crun nor runc is there and runs."""
    runtime = containerd.find_runtime()
    if not runtime:
        raise ClusterFailure("neither crun nor runc is installed", "apt-get install crun")
    done = subprocess.run([runtime, "--version"], capture_output=True, text=True, check=False, env=linux.environment())
    if done.returncode:
        raise ClusterFailure(f"{runtime} does not run: {done.stderr.strip()}", "install it again: apt-get install --reinstall crun")


def check_python() -> None:
    """ClusterFailure when this Python is older or newer than those that are tested."""
    version = sys.version_info[:2]
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        named = ".".join(map(str, version))
        raise ClusterFailure(f"Python {named} is not among those that are tried (3.11 to 3.14)", "make .venv with one of those")


def check_kubectl() -> None:
    """ClusterFailure when there is no kubectl."""
    if not shutil.which("kubectl", path=f"{os.environ.get('PATH', '')}:{linux.SYSTEM_PATH}"):
        raise ClusterFailure(
            "there is no kubectl on this machine",
            f"take upstream's, {OLDEST_KUBECTL} or newer (kubernetes.io/docs/tasks/tools), or Debian's: apt-get install kubernetes-client",
        )


def check_disk(folder: Path) -> None:
    """ClusterFailure when the disk of this directory has too little room."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < FREE_BYTES:
        raise ClusterFailure(f"{there} has {free >> 20} MiB left", f"make room: {FREE_BYTES >> 20} MiB at least (df -h shows it)")


def check_port(root: Path = Path("/")) -> None:
    """ClusterFailure when another program than one of our clusters has the default port."""
    ours = any(cluster.port == DEFAULT_PORT and launch.running(Places(cluster.name, root), CONTROL_PLANE) for cluster in all_clusters(root))
    if not ours and not preflight.port_is_free(DEFAULT_PORT):
        raise ClusterFailure(f"port {DEFAULT_PORT} of 127.0.0.1 is taken", "a cluster takes the next free one; or choose with --port")


def lines(findings: list[Finding]) -> Iterator[str]:
    """The findings as text, with a summary at the end."""
    for finding in findings:
        if finding.well:
            yield f"  ok       {finding.name}"
        else:
            yield f"  {'MISSING' if finding.needed else 'note':<8} {finding.name}: {finding.problem}"
            yield f"           what to do: {finding.remedy}"
    if runs_containers(findings):
        yield "pilothouse: this machine can run clusters with containers: pilothouse up"
    else:
        yield "pilothouse: this machine cannot run containers as it is; with simulated nodes it can: pilothouse up --runtime simulated"


def runs_containers(findings: list[Finding]) -> bool:
    """Whether every finding that containers need is well."""
    return all(finding.well for finding in findings if finding.needed)
