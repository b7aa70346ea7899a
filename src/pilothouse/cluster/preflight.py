"""Preflight checks of the machine: all problems at once, with remedies."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from pilothouse.cluster.failure import ClusterFailure
from pilothouse.node import cni, images, linux

PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",  # the CNI plugin portmap makes hostPort with it
}
"""Programs that must be found, and the Debian package of each."""

CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_CHROOT")
"""For namespaces and mounts, for interfaces and rules, for entering containers."""

RUNTIMES = ("crun", "runc")


def check() -> None:
    """ClusterFailure for what this machine lacks to run containers, as far as it costs nothing to know."""
    check_root()
    check_proc()
    check_capabilities()
    check_programs()


def check_root() -> None:
    """ClusterFailure unless this process is root."""
    if os.geteuid() != 0:
        raise ClusterFailure("pilothouse needs root for namespaces, cgroups and containers", "run it again with sudo")


def check_proc(process: Path = Path("/proc/self")) -> None:
    """A bare chroot has none: nothing could be told of processes, mounts and namespaces there."""
    if not process.exists():
        raise ClusterFailure("/proc is not mounted here, as in a bare chroot", "mount -t proc proc /proc")


def check_capabilities(has: Callable[[str], bool] = linux.has_capability) -> None:
    """Before anything is started: what fails half-way could not be put away either."""
    lacking = [name for name in CAPABILITIES if not has(name)]
    if lacking:
        raise ClusterFailure(
            f"root lacks {', '.join(lacking)} here, as in many containers",
            "start the container with these capabilities (docker run --privileged), or run it on the machine itself",
        )


def missing_packages(which: Callable[[str], str | None], exists: Callable[[Path], bool], is_static: Callable[[Path], bool]) -> list[str]:
    """Debian packages that would bring what is not there. Pure but for the questions it asks."""
    missing = {package for program, package in PROGRAMS.items() if not which(program)}
    if not any(which(runtime) for runtime in RUNTIMES):
        missing.add("crun")
    if not any(all(exists(Path(folder) / plugin) for plugin in cni.PLUGINS) for folder in cni.BINARIES):
        missing.add("containernetworking-plugins")
    if not any(is_static(path) for path in images.BUSYBOX_PATHS):
        missing.add("busybox-static")  # Debian's dynamic one lies in the same place, and is of no use in an image
    return sorted(missing)


def check_programs() -> None:
    """ClusterFailure that names every missing package."""
    missing = missing_packages(lambda program: shutil.which(program, path=linux.SYSTEM_PATH), Path.exists, images.is_static)
    if missing:
        raise ClusterFailure(f"not installed: {', '.join(missing)}", f"apt-get install {' '.join(missing)}")


def port_is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a TCP port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_port(wanted: int, chosen: bool, reserved: Sequence[int]) -> int:
    """`wanted`, or where it was not asked for by name, the next port that nobody has."""
    if chosen:
        if wanted in reserved or not port_is_free(wanted):
            raise ClusterFailure(
                f"port {wanted} of 127.0.0.1 is taken", "choose another one with --port, or end what uses it (ss -ltnp shows it)"
            )
        return wanted
    for port in range(wanted, wanted + 200):
        if port not in reserved and port_is_free(port):
            return port
    raise ClusterFailure(f"no free port between {wanted} and {wanted + 200}", "choose one with --port")
