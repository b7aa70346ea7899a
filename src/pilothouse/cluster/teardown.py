"""Ending the processes of a cluster and removing its node; shared by `down` and a failed `up`.

Each looks at the machine, not at what a record says should be there, and may be repeated.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from pilothouse.cluster import launch
from pilothouse.cluster.state import ClusterState, Places, all_clusters
from pilothouse.node import cgroups, cni, mounts, namespaces, network, processes
from pilothouse.node.containerd import OWN_FOLDERS

PROXY_TABLE = "ip pilothouse-proxy"
"""Of proxy/backends/nftables.py: on the machine's own network it is not gone with a namespace."""
PROCESS_SECONDS = 5.0
CONTAINER_SECONDS = 2.0
"""What containers get between SIGTERM and SIGKILL when the whole cluster stops."""


def stop_processes(places: Places, *, gently: bool) -> None:
    """The supervisor first: it starts again what ends, while the mark `wanted` is there."""
    places.wanted.unlink(missing_ok=True)
    end_supervisor(places)
    ours = {process for name in launch.PROCESSES for process in (launch.running(places, name), *launch.strays(places, name)) if process}
    processes.end(ours, PROCESS_SECONDS)
    if gently:
        processes.end(in_control_group(places), CONTAINER_SECONDS)
    processes.kill(node_processes(places))
    processes.kill(node_processes(places))  # what a shim was about to start
    end_supervisor(places)  # one that the control plane was about to start


def end_supervisor(places: Places) -> None:
    """End the supervisor, so that it starts nothing again."""
    supervisors = (launch.running(places, launch.SUPERVISOR), *launch.strays(places, launch.SUPERVISOR))
    processes.end({process for process in supervisors if process}, PROCESS_SECONDS)


def node_processes(places: Places) -> list[processes.Process]:
    """containerd and its shims (by the node's mount namespace), and what runs in containers (by the cluster's cgroup)."""
    members = processes.in_namespace(str(places.mount_namespace), "mnt")
    if containerd := launch.running(places, launch.CONTAINERD):
        members.append(containerd)
    return list({process.id: process for process in [*members, *in_control_group(places)]}.values())


def in_control_group(places: Places) -> list[processes.Process]:
    """Processes in the cluster's cgroup; none for an ordinary user, whose cluster has no cgroup."""
    return processes.in_cgroup(cgroups.root_of(places.name)) if os.geteuid() == 0 else []


def take_down_node(places: Places, state: ClusterState | None) -> None:
    """Remove the node's cgroups, mounts, namespaces and network; nothing when it is simulated."""
    if state is not None and state.simulated:
        return
    remove_cgroups(places)
    namespaces.remove(str(places.mount_namespace))
    if state is None:
        namespace = f"pilothouse-{places.name}"
        network.forget(namespace, network.interface_name(places.name))
    else:
        if state.namespace:
            network.take_down(state.link())
        else:
            network.take_down_on_host(state.link(), cni.BRIDGE, [PROXY_TABLE])
        if not any(changes_the_host(other) for other in all_clusters(places.root) if other.name != state.name):
            network.restore_host_settings()
    mounts.unmount_below(str(places.kubelet))


def remove_run_files(places: Places) -> None:
    """Remove the files that a reboot would remove too."""
    if places.run.exists():
        mounts.unmount_below(str(places.run))
        shutil.rmtree(places.run, ignore_errors=True)


def forget(places: Places, *, logs: bool = True) -> None:
    """Remove the files of a stopped cluster. A separate disk for the state is emptied, but stays mounted."""
    mounts.unmount_below(str(places.state), itself=False)
    for folder in (places.state, places.logs) if logs else (places.state,):
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: another cluster's
            folder.parent.rmdir()
    if not processes.with_name("containerd"):  # a folder that is a mount point in another's namespace would be taken from under it
        for place in OWN_FOLDERS:
            with contextlib.suppress(OSError):
                os.rmdir(place)


def remove_cgroups(places: Places) -> None:
    """Remove the cgroups, also from within the node: in a chroot they may be mounted only there."""
    group = cgroups.root_of(places.name)
    cgroups.remove_tree(group)
    if namespaces.is_pinned(str(places.mount_namespace)):
        namespaces.inside_mounts(str(places.mount_namespace), lambda: cgroups.remove_tree(group))


def changes_the_host(state: ClusterState) -> bool:
    """Whether a cluster that is up relies on the host's settings."""
    if state.simulated:
        return False
    if not state.namespace:
        return True
    return state.egress and namespaces.is_pinned(namespaces.network_path(state.namespace))
