"""Choosing address ranges and port of a new cluster. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from pilothouse import API_LEVEL
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import BLOCKS, CONTAINERS, NAME_PATTERN, ClusterState, addresses
from pilothouse.node import routes


def check_name(name: str) -> None:
    """ClusterFailure when the text cannot be a cluster's name."""
    if not NAME_PATTERN.fullmatch(name):
        raise ClusterFailure(
            f"{name!r} is no name for a cluster", "use at most 40 small letters, digits and dashes, a letter or digit at both ends"
        )


def free_block(used: Sequence[ipaddress.IPv4Network], others: Sequence[ClusterState]) -> ipaddress.IPv4Network:
    """The first block that neither the machine nor another cluster (running or not) uses."""
    taken = [*used, *(ipaddress.IPv4Network(other.block) for other in others)]
    block = routes.first_free(BLOCKS, taken)
    if block is None:
        raise ClusterFailure(
            "no address range is free", "the machine's routes cover all of 10.64.0.0 to 10.254.0.0: see `ip route show table all`"
        )
    return block


def new_cluster(
    name: str,
    *,
    network: str,
    egress: bool,
    port: int,
    block: ipaddress.IPv4Network,
    mtu: int,
    machine_address: str = "",
    runtime: str = CONTAINERS,
    kubernetes_version: str = API_LEVEL,
) -> ClusterState:
    """`machine_address` is the node's when the cluster uses the machine's own network."""
    host_address, node_address = addresses(block)
    if network == "host":
        host_address = node_address = machine_address
    return ClusterState(
        name=name,
        network=network,
        egress=egress,
        port=port,
        block=str(block),
        node_address=node_address,
        host_address=host_address,
        mtu=mtu,
        runtime=runtime,
        kubernetes_version=kubernetes_version,
    )
