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
    """One of v1: the folder below /sys/fs/cgroup, the options that name it to the kernel, its controllers."""

    folder: str
    options: str
    controllers: Sequence[str]


def hierarchies_v1(membership: str) -> list[Hierarchy]:
    """Of the lines of /proc/self/cgroup; empty where no controller has a hierarchy of its own: then v2 has them all."""
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
    """In the calling thread's mount namespace, which must be its own."""
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
    """As systemd lays them out: a tmpfs, a folder a hierarchy, a link a controller where one has several."""
    linux.mount("tmpfs", place, "tmpfs", FLAGS, "mode=0755")
    for hierarchy in wanted:
        os.mkdir(f"{place}/{hierarchy.folder}")
        linux.mount("cgroup", f"{place}/{hierarchy.folder}", "cgroup", FLAGS, hierarchy.options)
        for controller in hierarchy.controllers:
            if controller != hierarchy.folder:
                os.symlink(hierarchy.folder, f"{place}/{controller}")
