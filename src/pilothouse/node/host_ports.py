"""Host ports of pods: the rules of CNI's portmap plugin, made again from what CNI remembers of pods when somebody removed them.

The plugin itself says whether they stand (CHECK), makes them (ADD, which may be repeated) and removes them (DEL). It runs in the node's
network namespace.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.node import cni, linux, namespaces, pod_network

PLUGIN = "portmap"
PLUGIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class HostPorts:
    """The port mappings of one sandbox, and what else the plugin was given. `record` is CNI's file."""

    record: Path
    container_id: str
    interface: str
    sandbox: str
    mappings: Sequence[Mapping[str, Any]]
    result: Mapping[str, Any]


def running(root: Path) -> list[HostPorts]:
    """Those of sandboxes that are there, in the node whose mounts are seen at `root`."""
    all_ports = []
    for path in pod_network.records(root / pod_network.RESULTS):
        try:
            ports = host_ports_of(path, json.loads(path.read_bytes()))
        except (OSError, ValueError):
            continue  # written or removed at this moment
        if ports is not None and (root / ports.sandbox.lstrip("/")).exists():
            all_ports.append(ports)
    return all_ports


def host_ports_of(path: Path, record: Mapping[str, Any]) -> HostPorts | None:
    """None for a sandbox without host ports."""
    result = record.get("result") or {}
    pod, mappings = pod_network.interface_of(result), (record.get("capabilityArgs") or {}).get("portMappings") or []
    if pod is None or not mappings:
        return None
    return HostPorts(path, record.get("containerId", ""), record.get("ifName", pod.name), pod.sandbox, mappings, result)


def configuration(ports: HostPorts) -> str:
    """What the plugin reads on its standard input."""
    version = {"cniVersion": cni.VERSION, "name": pod_network.NETWORK}
    return json.dumps({**version, **cni.PORTMAP, "runtimeConfig": {"portMappings": ports.mappings}, "prevResult": ports.result})


def missing(namespace: str, root: Path) -> list[HostPorts]:
    """Those whose rules do not stand in the node's network namespace (`""`: the machine's own)."""
    return [ports for ports in running(root) if not _call("CHECK", ports, namespace, root)]


def repair(namespace: str, root: Path, ports: HostPorts) -> bool:
    """Make the rules again; whether they stand then. Those of a pod that ended meanwhile are removed."""
    _call("ADD", ports, namespace, root)
    if not ports.record.exists():
        _call("DEL", ports, namespace, root)
        return True
    return _call("CHECK", ports, namespace, root)


def _call(command: str, ports: HostPorts, namespace: str, root: Path) -> bool:
    folder = cni.folder_of(PLUGIN)
    variables = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": ports.container_id,
        "CNI_NETNS": str(root / ports.sandbox.lstrip("/")),
        "CNI_IFNAME": ports.interface,
        "CNI_PATH": folder,
    }

    def run() -> bool:
        environment = {**linux.environment(), **variables}
        words, text = [f"{folder}/{PLUGIN}"], configuration(ports)
        done = subprocess.run(words, input=text, text=True, capture_output=True, check=False, env=environment, timeout=PLUGIN_SECONDS)
        return done.returncode == 0

    return namespaces.inside(namespaces.network_path(namespace), run) if namespace else run()
