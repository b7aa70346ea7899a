"""The pod network's CNI configuration: one bridge in the node's namespace that owns the pods' gateway.

`isGateway` gives the bridge the gateway's address, `hairpinMode` lets a pod reach itself through its own Service,
and `portMappings` makes `hostPort` work on the node's address. There is no masquerade here: pods are routed.
"""

from __future__ import annotations

import json
from pathlib import Path

BRIDGE = "pilot0"
"""Interface of the node's namespace; at most 15 characters."""

BINARIES = ("/usr/lib/cni", "/opt/cni/bin")
"""Where the plugins may lie: Debian's place, upstream's place."""

VERSION = "0.4.0"
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
PLUGINS = ("bridge", "host-local", "loopback", "portmap")


def configuration(pod_cidr: str, data_directory: str, mtu: int = 0) -> str:
    """The `.conflist` for a node whose pods have their addresses from `pod_cidr`; leases are kept in `data_directory`."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": data_directory,
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    if mtu:
        bridge["mtu"] = mtu
    return json.dumps({"cniVersion": VERSION, "name": "pilothouse", "plugins": [bridge, PORTMAP]}, indent=2) + "\n"


def folder_of(plugin: str) -> str:
    """Where the plugins lie on this machine; Debian's place where there is none."""
    return next((folder for folder in BINARIES if (Path(folder) / plugin).exists()), BINARIES[0])
