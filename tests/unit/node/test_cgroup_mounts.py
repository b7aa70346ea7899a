"""Which hierarchies containers need, told by what the kernel says of this process; mounting them is seen end to end."""

from __future__ import annotations

import pytest

from pilothouse.node.cgroup_mounts import Hierarchy, are_shown, hierarchies_v1

HYBRID = "4:memory:/a\n3:cpu,cpuacct:/\n1:name=systemd:/init.scope\n0::/init.scope\n"
V1 = [Hierarchy("memory", "memory", ["memory"]), Hierarchy("cpu,cpuacct", "cpu,cpuacct", ["cpu", "cpuacct"])]


@pytest.mark.parametrize(
    ("membership", "expected"),
    [
        pytest.param(HYBRID, [*V1, Hierarchy("systemd", "none,name=systemd", ())], id="v1 with v2 beside"),
        pytest.param("0::/user.slice:with:colons\n", [], id="v2 alone"),
        pytest.param("1:name=systemd:/\n0::/\n", [], id="v2 with a named hierarchy that has no controller"),
    ],
)
def test_the_kernels_word_decides_between_v1_and_v2(membership: str, expected: list[Hierarchy]) -> None:
    assert hierarchies_v1(membership) == expected


@pytest.mark.parametrize(
    ("wanted", "there", "shown"),
    [
        pytest.param(V1, {"memory/cgroup.procs", "cpu/cgroup.procs", "cpuacct/cgroup.procs"}, True, id="v1, all mounted"),
        pytest.param(V1, {"memory/cgroup.procs", "cpu/cgroup.procs"}, False, id="v1, one missing"),
        pytest.param(V1, {"cgroup.controllers"}, False, id="v1, but v2 lies there"),
        pytest.param([], {"cgroup.controllers"}, True, id="v2 mounted"),
        pytest.param([], set(), False, id="v2 not mounted"),
    ],
)
def test_what_is_not_mounted_is_seen(wanted: list[Hierarchy], there: set[str], shown: bool) -> None:
    assert are_shown(wanted, there.__contains__) is shown
