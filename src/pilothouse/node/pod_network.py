"""The pods' bridge and interfaces, made again from what CNI remembers of the pods that run: for when somebody removed them.

- CNI's library keeps a result for each sandbox: the bridge and its MAC, the host's and the pod's interface, address and gateway.
- Nothing that stands is touched. Pods keep their addresses and MACs, so that connections go on.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.node import cni, namespaces, network

RESULTS = "var/lib/cni/results"
NETWORK = "pilothouse"
"""The `name` in cni.configuration."""


@dataclass(frozen=True, slots=True)
class PodInterface:
    """Network interface of one sandbox."""

    bridge_mac: str
    host_name: str
    sandbox: str
    name: str
    mac: str
    address: str
    """With its prefix."""
    gateway: str


def records(folder: Path) -> list[Path]:
    """CNI's files about the sandboxes of the pods' network."""
    return sorted(folder.glob(f"{NETWORK}-*"))


def results(folder: Path) -> list[PodInterface]:
    """Results that CNI keeps in `folder` (/var/lib/cni/results in the node)."""
    interfaces = []
    for path in records(folder):
        try:
            if interface := interface_of(json.loads(path.read_bytes()).get("result") or {}):
                interfaces.append(interface)
        except (OSError, ValueError):
            continue  # written or removed at this moment
    return interfaces


def interface_of(result: dict[str, Any]) -> PodInterface | None:
    """The interface in a result; None when it is not of a bridge."""
    interfaces, ips = result.get("interfaces") or [], result.get("ips") or []
    bridge = next((candidate for candidate in interfaces if candidate.get("name") == cni.BRIDGE), None)
    host = next((candidate for candidate in interfaces if candidate is not bridge and not candidate.get("sandbox")), None)
    inside = next((candidate for candidate in interfaces if candidate.get("sandbox")), None)
    if bridge is None or host is None or inside is None or not ips:
        return None
    address, gateway = ips[0]["address"], ips[0].get("gateway", "")
    return PodInterface(bridge.get("mac", ""), host["name"], inside["sandbox"], inside["name"], inside.get("mac", ""), address, gateway)


def plan(pods: Sequence[PodInterface], masters: dict[str, str], mtu: int) -> Iterator[str]:
    """Lines of `ip -batch` for the node: the bridge and what hangs on it. `masters`: each interface that is there, with its bridge.

    Links to sandboxes are made by `new_links`.
    """
    if pods and cni.BRIDGE not in masters:
        pod = pods[0]
        prefix = ipaddress.ip_interface(pod.address).network.prefixlen
        address = f"address {pod.bridge_mac} " if pod.bridge_mac else ""
        yield f"link add {cni.BRIDGE} mtu {mtu} {address}type bridge"
        yield f"addr add {pod.gateway}/{prefix} dev {cni.BRIDGE}"
        yield f"link set {cni.BRIDGE} up"
    for pod in pods:
        if masters.get(pod.host_name) != cni.BRIDGE:
            yield f"link set {pod.host_name} master {cni.BRIDGE}"
            yield f"link set {pod.host_name} type bridge_slave hairpin on"
            yield f"link set {pod.host_name} up"


def missing_links(pods: Sequence[PodInterface], masters: dict[str, str]) -> list[PodInterface]:
    """The pods whose host-side interface does not exist. `masters` maps each interface on the node to its bridge."""
    return [pod for pod in pods if pod.host_name not in masters]


def is_complete(pods: Sequence[PodInterface], masters: dict[str, str]) -> bool:
    """Whether every pod's host-side interface is attached to the pods' bridge."""
    return all(masters.get(pod.host_name) == cni.BRIDGE for pod in pods)


def running(root: Path) -> list[PodInterface]:
    """Interfaces of existing sandboxes, in the node whose mounts are at `root`."""
    return [pod for pod in results(root / RESULTS) if sandbox_of(pod, root).exists()]


def sandbox_of(pod: PodInterface, root: Path) -> Path:
    """Path of the pod's network namespace, seen from a mount namespace whose root is `root`."""
    return root / pod.sandbox.lstrip("/")


def repair(namespace: str, root: Path, mtu: int, lost: Sequence[str]) -> int:
    """Make what is missing in the node's network namespace (`""`: the machine's own); how much that was.

    `root`: where the node's mounts are seen. `lost`: the interfaces that may be made again; others may be on their way out.
    """
    pods, there = running(root), network.masters(namespace)
    again = [pod for pod in missing_links(pods, there) if pod.host_name in lost]
    for pod in again:
        connect(namespace, pod, str(sandbox_of(pod, root)), mtu)
    kept = [pod for pod in pods if pod.host_name in there or pod in again]
    lines = [*plan(kept, there, mtu)]
    if lines:
        network.ip(lines, namespace)
    return len(lines) + len(again)


def connect(namespace: str, pod: PodInterface, sandbox: str, mtu: int) -> None:
    """A new pair of interfaces between node and sandbox, with the pod's own address and MAC."""
    mac = f"address {pod.mac} " if pod.mac else ""
    pair = f"link add {pod.host_name} mtu {mtu} type veth peer name {pod.name} mtu {mtu} {mac}netns {sandbox}"
    network.ip([pair], namespace)
    route = f"route add default via {pod.gateway} dev {pod.name}"
    lines = [f"link set {pod.name} up", f"addr add {pod.address} dev {pod.name}", route]
    namespaces.inside(sandbox, lambda: network.ip(lines))
