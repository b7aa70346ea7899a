"""Control groups of v1 and v2: made, limited, removed.

- A group is named by its path below the hierarchy's root, as `/pilothouse-dev/kubepods/burstable`; on v1 it stands in every
  hierarchy at that path, on v2 in the one.
- Limits are given in v1's words (shares, quota, period) and translated for v2 as the OCI runtimes do; zero means no limit.
- `ensure` and `remove` are idempotent; a controller that the kernel lacks is passed over.

The kubelet's port to this is kubelet/cgroups.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pilothouse.machinery import strconv

ROOT = Path("/sys/fs/cgroup")
V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")
DEFAULT_PERIOD = 100_000
EVACUATED = "init"
"""Where processes of the root go, as the images of other clusters in containers name it."""
KILL_ROUNDS = 10
"""How often processes of a group are looked for and killed before its removal is given up."""


def root_of(cluster: str) -> str:
    """The group below which a cluster keeps all of its containers."""
    return f"/pilothouse-{cluster}"


@dataclass(slots=True, frozen=True)
class Limits:
    """Limits of a cgroup in terms of v1; zero: none. Memory in bytes, quota and period in microseconds."""

    cpu_shares: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    memory: int = 0
    pids: int = 0


NO_LIMITS = Limits()


class LinuxCgroups:
    """The groups of this machine (or of a directory that looks like its hierarchy, in tests)."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self.unified = is_unified(root)
        self._hierarchies = hierarchies(root)

    def ensure(self, path: str, limits: Limits = NO_LIMITS) -> None:
        """Make the group and its parents, and set its limits."""
        files = (limits_v2 if self.unified else limits_v1)(limits)
        for hierarchy in self._hierarchies:
            directory = hierarchy
            for part in path.strip("/").split("/"):
                self._prepare(directory)
                directory = directory / part
                if not directory.is_dir():
                    directory.mkdir(exist_ok=True)
                    _inherit_cpuset(directory)
            self._set(directory, files)

    def remove(self, path: str) -> None:
        """Remove the group and all below it; processes left in it are killed first."""
        remove_tree(path, self._root)

    def processes(self, path: str) -> int:
        """Number of processes and threads in the cgroup and below it."""
        root = self._root if self.unified else self._root / "pids"
        return strconv.parse_int((root / path.strip("/") / "pids.current").read_text().strip())

    def children(self, path: str) -> list[str]:
        """Names of the groups in it, in any hierarchy; empty when there is no such group."""
        places = [place for hierarchy in self._hierarchies if (place := hierarchy / path.strip("/")).is_dir()]
        return sorted({entry.name for place in places for entry in place.iterdir() if entry.is_dir()})

    def _prepare(self, parent: Path) -> None:
        """On v2 a group's controllers are those that its parent hands down."""
        if not self.unified:
            return
        available = (parent / "cgroup.controllers").read_text().split()
        handed_down = (parent / "cgroup.subtree_control").read_text().split()
        for controller in V2_CONTROLLERS:
            if controller in available and controller not in handed_down:
                self._hand_down(parent, controller)

    def _hand_down(self, parent: Path, controller: str) -> None:
        """What the kernel refuses is passed over, but for a root that is itself a group with processes (in a container): they make room."""
        for attempt in range(2):
            try:
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")
                return
            except OSError as error:
                if error.errno != errno.EBUSY or parent != self._root or attempt:
                    return
                evacuate(self._root)

    def _set(self, directory: Path, limits: Mapping[str, str]) -> None:
        for file, value in limits.items():
            target = directory / file
            if target.exists() and target.read_text().strip() != value:
                target.write_text(value)


def evacuate(root: Path) -> None:
    """Move the processes of the root into a group below it: a v2 group with processes of its own hands no controller down, and in a
    container's own cgroup namespace the root is such a group. What forks meanwhile is moved in another round."""
    below = root / EVACUATED
    below.mkdir(exist_ok=True)
    for _ in range(KILL_ROUNDS):
        processes = (root / "cgroup.procs").read_text().split()
        for process in processes:
            with contextlib.suppress(OSError):  # ended meanwhile, or a thread of the kernel
                (below / "cgroup.procs").write_text(process)
        if not processes:
            return


def limits_v1(limits: Limits) -> dict[str, str]:
    """Files and their contents; the period comes before the quota, which is checked against it."""
    return {
        "cpu.shares": str(limits.cpu_shares or 1024),
        "cpu.cfs_period_us": str(limits.cpu_period or DEFAULT_PERIOD),
        "cpu.cfs_quota_us": str(limits.cpu_quota if limits.cpu_quota > 0 else -1),
        "memory.limit_in_bytes": str(limits.memory or -1),
        "pids.max": str(limits.pids) if limits.pids > 0 else "max",
    }


def limits_v2(limits: Limits) -> dict[str, str]:
    """Files and contents of a cgroup v2 for limits in the words of v1: shares 2 to 262144, quota and period in µs, memory in bytes.

    A quota, memory or pids limit of 0 or less means none (`max`).
    """
    quota = str(limits.cpu_quota) if limits.cpu_quota > 0 else "max"
    return {
        "cpu.weight": str(weight(limits.cpu_shares) if limits.cpu_shares else 100),
        "cpu.max": f"{quota} {limits.cpu_period or DEFAULT_PERIOD}",
        "memory.max": str(limits.memory) if limits.memory > 0 else "max",
        "pids.max": str(limits.pids) if limits.pids > 0 else "max",
    }


def weight(shares: int) -> int:
    """v1's shares (2 to 262144) as v2's weight (1 to 10000), by the OCI runtimes' formula."""
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def is_unified(root: Path = ROOT) -> bool:
    """Whether the machine has cgroup v2 alone; v1 with v2 beside it (hybrid) counts as v1."""
    return (root / "cgroup.controllers").exists()


def limits_swap(root: Path = ROOT) -> bool:
    """Whether the kernel keeps count of each group's swap; on v2 the root group has no file of it."""
    if is_unified(root):
        return next(root.glob("*/memory.swap.max"), None) is not None
    return (root / "memory" / "memory.memsw.limit_in_bytes").exists()


def hierarchies(root: Path = ROOT) -> list[Path]:
    """Directories below which a cgroup's path is: one for v2, one for each mounted hierarchy of v1."""
    if is_unified(root):
        return [root]
    entries = sorted(root.iterdir()) if root.is_dir() else []
    return list({entry.resolve(): None for entry in entries if (entry / "cgroup.procs").exists()})


def remove_tree(path: str, root: Path = ROOT) -> bool:
    """Remove a group and all below it, deepest first, killing what is left in it. False when there was none."""
    tops = [top for hierarchy in hierarchies(root) if (top := hierarchy / path.strip("/")).is_dir()]
    for top in tops:
        for directory in _deepest_first(top):
            _remove(directory)
    for impostor in _impostors(root):
        shutil.rmtree(impostor / path.strip("/"), ignore_errors=True)
    return bool(tops)


def _impostors(root: Path) -> list[Path]:
    """Plain directories beside the hierarchies: where a hybrid machine's v2 is not mounted, crun makes its groups there, writes a
    `cgroup.procs` into each that is a file as any other, and leaves them. Whom that names may be somebody else by now."""
    entries = root.iterdir() if root.is_dir() and not is_unified(root) else ()
    return [entry for entry in entries if entry.is_dir() and not entry.is_symlink() and not (entry / "cgroup.procs").exists()]


def _remove(directory: Path) -> None:
    for _ in range(KILL_ROUNDS):
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            _kill_all(directory)
        else:
            return


def _kill_all(directory: Path) -> None:
    with contextlib.suppress(OSError):
        for line in (directory / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(strconv.parse_int(line), signal.SIGKILL)


def _inherit_cpuset(directory: Path) -> None:
    """On v1 a new cpuset is empty, and nothing can run in it."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        own = directory / file
        if own.exists() and not own.read_text().strip() and not (directory / "cgroup.controllers").exists():
            own.write_text((directory.parent / file).read_text())


def _deepest_first(top: Path) -> Iterable[Path]:
    return [Path(parent) for parent, _, _ in os.walk(top, topdown=False)]
