from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.cluster import preflight
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.node import linux

EVERY_PROGRAM = {*preflight.PROGRAMS, "crun"}


@pytest.mark.parametrize(
    ("programs", "files", "static", "expected"),
    [
        pytest.param(EVERY_PROGRAM, True, True, [], id="everything is there"),
        pytest.param(EVERY_PROGRAM - {"crun"} | {"runc"}, True, True, [], id="runc will do"),
        pytest.param(EVERY_PROGRAM - {"containerd", "ctr", "nft"}, True, True, ["containerd", "nftables"], id="each package once"),
        pytest.param(EVERY_PROGRAM - {"iptables"}, True, True, ["iptables"], id="hostPort needs iptables"),
        pytest.param(EVERY_PROGRAM, True, False, ["busybox-static"], id="a dynamic busybox will not do"),
        pytest.param(EVERY_PROGRAM, False, False, ["busybox-static", "containernetworking-plugins"], id="files are looked for too"),
    ],
)
def test_names_the_packages_that_would_help(programs: set[str], files: bool, static: bool, expected: list[str]) -> None:
    found = preflight.missing_packages(lambda program: program if program in programs else None, lambda path: files, lambda path: static)
    assert found == expected


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this test holds."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert not preflight.port_is_free(port)
        yield port


def test_a_port_asked_for_must_be_free(taken: int) -> None:
    with pytest.raises(ClusterFailure, match=f"port {taken} of 127.0.0.1 is taken"):
        preflight.free_port(taken, True, [])


def test_a_port_not_asked_for_gives_way(taken: int) -> None:
    assert preflight.free_port(taken, False, [taken + 1]) > taken + 1


def test_tells_root_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ClusterFailure) as caught:
        preflight.check_root()
    assert "sudo" in caught.value.remedy


def test_a_bare_chroot_is_told_to_mount_proc(tmp_path: Path) -> None:
    preflight.check_proc()
    with pytest.raises(ClusterFailure, match="/proc is not mounted") as caught:
        preflight.check_proc(tmp_path / "self")
    assert caught.value.remedy == "mount -t proc proc /proc"


def test_programs_are_looked_for_where_users_do_not_look() -> None:
    assert Path("/usr/sbin") in map(Path, linux.SYSTEM_PATH.split(":"))


def test_root_without_its_rights_is_told_before_anything_is_begun() -> None:
    preflight.check_capabilities(lambda name: True)
    with pytest.raises(ClusterFailure, match="root lacks CAP_NET_ADMIN here") as caught:
        preflight.check_capabilities(lambda name: name != "CAP_NET_ADMIN")
    assert "docker run --privileged" in caught.value.remedy
