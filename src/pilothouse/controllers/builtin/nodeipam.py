"""Every node's own part of the Pods' address range."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pilothouse.api.types.core_v1 import Node
from pilothouse.client.events import NORMAL
from pilothouse.controllers.framework.actions import Action, Emit, Patch
from pilothouse.controllers.framework.controller import CREATE, PATCH, READ, Controller, Rule
from pilothouse.controllers.framework.world import World

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IPV6_MASK_SIZE = 64


class NodeIPAMController(Controller):
    """Gives each new node the first free part of --cluster-cidr; one at a time, so that none is given twice."""

    name = "node-ipam-controller"
    account = "node-controller"
    source = "cidrAllocator"
    reconciles = Node
    workers = 1
    rules = (Rule("", ("nodes",), READ + PATCH), Rule("", ("events",), CREATE + PATCH))

    def plan(self, node: Node, world: World) -> Iterator[Action]:
        """Patch a node that has no podCIDR with a free one of every range; an event when a range is used up."""
        ranges = _ranges(world.settings.cluster_cidr)
        if not world.settings.allocate_node_cidrs or not ranges or node.spec.podCIDR or node.metadata.deletionTimestamp:
            return
        given: dict[str, list[str]] = world.shared.setdefault("given", {})
        used = _used(node, world, given)
        chosen = [_first_free(network, _mask(network, world), used) for network in ranges]
        if not all(chosen):
            name = node.metadata.name
            yield Emit(node, NORMAL, "CIDRNotAvailable", f"Node {name} status is now: CIDRNotAvailable")
            return
        parts = [str(network) for network in chosen]
        given[node.metadata.name] = parts
        yield Patch(node, {"spec": {"podCIDR": parts[0], "podCIDRs": parts}})


def _ranges(text: str) -> list[Network]:
    return [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]


def _mask(network: Network, world: World) -> int:
    return world.settings.node_cidr_mask_size if network.version == 4 else IPV6_MASK_SIZE


def _used(node: Node, world: World, given: dict[str, list[str]]) -> set[Network]:
    """What other nodes have, or have been given though the cache does not show it yet."""
    names = {node.metadata.name for node in world.list(Node)}
    for gone in given.keys() - names:
        del given[gone]
    parts = [part for node in world.list(Node) for part in (node.spec.podCIDRs or ([node.spec.podCIDR] if node.spec.podCIDR else []))]
    parts += [part for name, known in given.items() if name != node.metadata.name for part in known]
    return {ipaddress.ip_network(part) for part in parts}


def _first_free(whole: Network, mask: int, used: set[Network]) -> Network | None:
    size = max(mask, whole.prefixlen)
    same = [network for network in used if network.version == whole.version]
    taken = {network for network in same if network.prefixlen == size}
    odd = [network for network in same if network.prefixlen != size]
    for part in whole.subnets(new_prefix=size):
        if part not in taken and not any(part.overlaps(network) for network in odd):
            return part
    return None
