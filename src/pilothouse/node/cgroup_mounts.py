"""The cgroup hierarchies that containers need, mounted in the node's own mount namespace as the OCI runtimes want them.

- Which the kernel uses is told by /proc/self/cgroup, whatever is mounted where: v1 where a controller has a hierarchy of its own.
- On v1 the v2 hierarchy beside (hybrid) must not be seen: crun refuses the machine as long as it shows a controller.
  Its groups there become plain directories then, which no kernel removes: they are the node's own, not the machine's.
- Where they are not mounted at all (a chroot whose /sys was bound without what is below it, or is missing) they are mounted privately.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.node import linux, mounts

PLACE = "/sys/fs/cgroup"
FLAGS = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A hierarchy of cgroup v1: its directory below /sys/fs/cgroup, mount options and controllers."""

    folder: str
    options: str
    controllers: Sequence[str]


def hierarchies_v1(membership: str) -> list[Hierarchy]:
    """Hierarchies in /proc/self/cgroup; none when all controllers are in v2."""
    hierarchies = []
    for line in membership.splitlines():
        _, names, _ = line.split(":", 2)
        if names.startswith("name="):
            hierarchies.append(Hierarchy(names.removeprefix("name="), f"none,{names}", ()))
        elif names:
            hierarchies.append(Hierarchy(names, names, names.split(",")))
    return hierarchies if any(hierarchy.controllers for hierarchy in hierarchies) else []


def are_shown(wanted: Sequence[Hierarchy], exists: Callable[[str], bool]) -> bool:
    """Whether everything wanted (v2's one hierarchy where that is nothing) can be found below /sys/fs/cgroup."""
    if not wanted:
        return exists("cgroup.controllers")
    return all(exists(f"{controller}/cgroup.procs") for hierarchy in wanted for controller in hierarchy.controllers)


def prepare() -> None:
    """Mount the hierarchies in the calling thread's mount namespace, which must not be the machine's."""
    wanted = hierarchies_v1(Path("/proc/thread-self/cgroup").read_text(encoding="utf-8"))
    if wanted:
        for mount in mounts.points():
            if mount.kind == "cgroup2":
                linux.unmount(mount.point)
                if os.path.dirname(mount.point) == PLACE:
                    linux.mount("tmpfs", mount.point, "tmpfs", FLAGS, "mode=0755")
    if not are_shown(wanted, lambda path: os.path.exists(f"{PLACE}/{path}")):
        if not os.path.isdir(PLACE):
            os.makedirs("/sys", exist_ok=True)
            linux.mount("sysfs", "/sys", "sysfs", FLAGS)
        mount_v1(PLACE, wanted) if wanted else linux.mount("cgroup2", PLACE, "cgroup2", FLAGS)


def mount_v1(place: str, wanted: Sequence[Hierarchy]) -> None:
    """Mount as systemd does: a tmpfs, a directory for each hierarchy, and links for controllers that share one."""
    linux.mount("tmpfs", place, "tmpfs", FLAGS, "mode=0755")
    for hierarchy in wanted:
        os.mkdir(f"{place}/{hierarchy.folder}")
        linux.mount("cgroup", f"{place}/{hierarchy.folder}", "cgroup", FLAGS, hierarchy.options)
        for controller in hierarchy.controllers:
            if controller != hierarchy.folder:
                os.symlink(hierarchy.folder, f"{place}/{controller}")
