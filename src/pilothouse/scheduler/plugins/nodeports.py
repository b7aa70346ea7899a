"""NodePorts: two Pods of one node cannot have the same host port (of one protocol and address)."""

from __future__ import annotations

import numpy as np

from pilothouse.api.types.core_v1 import Pod
from pilothouse.scheduler.facts import HostPort, PodFacts, host_ports
from pilothouse.scheduler.framework.interfaces import Verdict, Wake
from pilothouse.scheduler.snapshot import NodeColumns

REASON = ("node(s) didn't have free ports for the requested pod ports",)
ANY = "0.0.0.0"


def frees_a_port(pod: PodFacts, gone: Pod, _: object) -> bool:
    """Whether a Pod that is gone had one of the ports that this one wants."""
    had = [*host_ports(gone)]
    return any(clash(wanted, taken) for wanted in pod.host_ports for taken in had)


def clash(port: HostPort, other: HostPort) -> bool:
    """Whether two host ports (address, protocol, port) cannot be on one node; 0.0.0.0 means every address."""
    return port[1:] == other[1:] and (port[0] == other[0] or ANY in (port[0], other[0]))


class NodePorts:
    """Filters by host ports."""

    name = "NodePorts"
    woken_by = (Wake("Node", "Add"), Wake("Pod", "Delete", frees_a_port))

    def filter(self, pod: PodFacts, nodes: NodeColumns) -> Verdict | None:
        """Nodes on which none of the Pod's host ports is taken; None when it has none."""
        if not pod.host_ports:
            return None
        passes = np.ones_like(nodes.alive)
        for address, protocol, port in pod.host_ports:
            for name, taken in nodes.ports.get((protocol, port), {}).items():
                if name in nodes.rows and (address == ANY or ANY in taken or address in taken):
                    passes[nodes.rows[name]] = False
        return Verdict(passes, lambda _: REASON)
