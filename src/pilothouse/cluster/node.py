"""The namespaces, interfaces, routes and rules that a cluster's node lives in: made by `up`, mended by the supervisor.

Every step may be repeated, and mends what is missing.
"""

from __future__ import annotations

import os

from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import ClusterState, Places
from pilothouse.node import cgroup_mounts, containerd, linux, namespaces, network, processes


def make_node(state: ClusterState, places: Places) -> None:
    """The namespaces that the node lives in."""
    try:
        if state.namespace:
            for process in processes.in_namespace(str(places.mount_namespace), "mnt")[:1]:  # it lives in the network too
                namespaces.pin_network_again(state.namespace, process.id)
            network.set_up(state.link())
        else:
            network.set_up_on_host(state.link())
        namespaces.make_mounts(str(places.mount_namespace), prepare_mounts)
    except (network.NetworkFailure, OSError) as failure:
        raise ClusterFailure(
            f"the node's namespaces cannot be made: {failure}",
            "the kernel must allow network and mount namespaces, veth and bridge: containers often may not; run it on the machine itself",
        ) from failure


def prepare_mounts() -> None:
    """Mounts of the node's mount namespace that differ from the machine's."""
    cgroup_mounts.prepare()
    for folder in containerd.OWN_FOLDERS:
        os.makedirs(folder, exist_ok=True)
        linux.mount("tmpfs", folder, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0711")
