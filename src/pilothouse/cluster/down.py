"""Stop a cluster and, with `purge`, remove it with all files, whatever state it is in.

Order: both processes, then everything in the node (containers get a moment to end), then cgroups, namespaces, mounts,
routes and rules, run files; with `purge` also state, logs and the context in the user's kubeconfig. Each step is
idempotent and looks at the machine, not at what a record says should be there.
"""

from __future__ import annotations

import contextlib

from pilothouse.cluster import access, teardown
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.launch import Say
from pilothouse.cluster.state import ClusterState, Places, choosing, load, locked
from pilothouse.node import network


def down(places: Places, say: Say, *, purge: bool = False) -> bool:
    """False when there was nothing to stop or remove."""
    with locked(places, say):
        state = recorded(places, purge=purge)
        existed = places.record.exists() or (places.run.exists() and any(places.run.iterdir()))
        teardown.stop_processes(places, gently=not purge)
        if existed:
            say("processes ended")
        try:
            teardown.take_down_node(places, state)
        except network.NetworkFailure as failure:
            raise ClusterFailure(
                f"the node's network cannot be taken down: {failure}",
                "the machine must have ip and nft (apt-get install iproute2 nftables) and grant CAP_NET_ADMIN; then run it again",
            ) from failure
        if purge:
            access.remove(places, say)
            with choosing(places):  # a new cluster may be about to use the folders of all
                teardown.forget(places)
            if existed:
                say("state removed")
        teardown.remove_run_files(places)
    return existed


def recorded(places: Places, *, purge: bool) -> ClusterState | None:
    """State of the cluster; with `purge` a damaged file counts as none."""
    with contextlib.suppress(*((ClusterFailure,) if purge else ())):
        return load(places)
    return None
