"""On directories that look like the kernel's: the kernel makes a group's files itself, so here they are laid beforehand."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pilothouse.node import cgroups
from pilothouse.node.cgroups import Limits, LinuxCgroups


def lay(directory: Path, **files: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in {"cgroup.procs": "", **files}.items():
        (directory / name.replace("__", ".")).write_text(content)
    return directory


def test_v1_sets_each_limit_in_its_hierarchy(tmp_path: Path) -> None:
    for controller in ("cpu", "memory", "pids"):
        lay(tmp_path / controller)
    cpu = lay(tmp_path / "cpu/pods/a", cpu__shares="1024", cpu__cfs_period_us="100000", cpu__cfs_quota_us="-1")
    memory = lay(tmp_path / "memory/pods/a", memory__limit_in_bytes="-1")
    LinuxCgroups(tmp_path).ensure("/pods/a", Limits(256, 50_000, memory=1 << 20))
    assert (cpu / "cpu.shares").read_text() == "256"
    assert (cpu / "cpu.cfs_quota_us").read_text() == "50000"
    assert (memory / "memory.limit_in_bytes").read_text() == str(1 << 20)
    assert (tmp_path / "pids/pods/a").is_dir()


def test_v2_translates_and_hands_controllers_down(tmp_path: Path) -> None:
    lay(tmp_path, **{"cgroup.controllers": "cpu memory", "cgroup.subtree_control": ""})
    lay(tmp_path / "pods", **{"cgroup.controllers": "cpu memory", "cgroup.subtree_control": "cpu memory"})
    group = lay(tmp_path / "pods/a", cpu__weight="100", cpu__max="max 100000", memory__max="max", pids__max="max")
    LinuxCgroups(tmp_path).ensure("/pods/a", Limits(1024, 50_000, memory=1 << 20, pids=10))
    contents = {file.name: file.read_text() for file in group.iterdir()}
    assert (contents["cpu.weight"], contents["cpu.max"]) == ("39", "50000 100000")
    assert (contents["memory.max"], contents["pids.max"]) == (str(1 << 20), "10")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"  # the last one written: the kernel adds them up


class BusyRoot(type(Path())):  # type: ignore[misc]
    """A root of v2 as a container has it: it hands nothing down while a process is in it."""

    def write_text(self, data: str, *rest: Any) -> int:
        root = self.parent
        if self.name == "cgroup.procs" and root.name == "init":
            top = root.parent / "cgroup.procs"
            left = [process for process in top.read_text().split() if process != data]
            type(self)(top)._plain("\n".join(left))
        if self.name == "cgroup.subtree_control" and (root / "cgroup.procs").exists() and (root / "cgroup.procs").read_text():
            raise OSError(errno.EBUSY, "Device or resource busy", str(self))
        return self._plain(data)

    def _plain(self, data: str) -> int:
        return Path(str(self)).write_text(data)


def test_processes_of_a_containers_root_make_room_for_groups(tmp_path: Path) -> None:
    lay(tmp_path, **{"cgroup.controllers": "memory", "cgroup.subtree_control": "", "cgroup.procs": "1\n7"})
    group = lay(tmp_path / "a", memory__max="max")
    LinuxCgroups(BusyRoot(tmp_path)).ensure("/a", Limits(memory=1 << 20))
    assert (tmp_path / "cgroup.procs").read_text() == ""
    assert (tmp_path / "init/cgroup.procs").read_text() == "7"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    assert (group / "memory.max").read_text() == str(1 << 20)


def test_a_new_cpuset_of_v1_gets_its_parents_processors(tmp_path: Path) -> None:
    parent = lay(tmp_path / "cpuset", cpuset__cpus="0-1", cpuset__mems="0")
    child = lay(parent / "pods", cpuset__cpus="\n", cpuset__mems="\n")
    cgroups._inherit_cpuset(child)
    assert ((child / "cpuset.cpus").read_text(), (child / "cpuset.mems").read_text()) == ("0-1", "0")


def test_removal_takes_all_below_and_may_be_repeated(tmp_path: Path) -> None:
    lay(tmp_path / "cpu")
    (tmp_path / "cpu/cluster/kubepods/a").mkdir(parents=True)
    assert cgroups.remove_tree("/cluster", tmp_path)
    assert not (tmp_path / "cpu/cluster").exists()
    assert not cgroups.remove_tree("/cluster", tmp_path)


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262144, 10000), (1, 1)])
def test_shares_become_weights_as_the_runtimes_have_it(shares: int, weight: int) -> None:
    assert cgroups.weight(shares) == weight


def test_removal_takes_directories_where_no_hierarchy_is_mounted_and_kills_nobody_for_them(tmp_path: Path) -> None:
    lay(tmp_path / "cpu")
    left = lay(tmp_path / "unified/pods/a/container", cgroup__procs=str(os.getpid()))
    other = lay(tmp_path / "unified/others/a")
    LinuxCgroups(tmp_path).remove("/pods/a")
    assert not left.parent.exists()
    assert left.parent.parent.is_dir()
    assert other.is_dir(), "another cluster's"


def test_whether_swap_is_counted_is_told_by_the_files(tmp_path: Path) -> None:
    assert not cgroups.limits_swap(tmp_path)
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.memsw.limit_in_bytes").touch()
    assert cgroups.limits_swap(tmp_path)
    (tmp_path / "cgroup.controllers").touch()
    assert not cgroups.limits_swap(tmp_path)
    (tmp_path / "memory" / "memory.swap.max").touch()
    assert cgroups.limits_swap(tmp_path)
