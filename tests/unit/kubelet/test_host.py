"""The machine's files: payload directories, groups, paths that must not lead out."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.host import payload, subpath
from pilothouse.kubelet.host.linux import LinuxHost
from pilothouse.kubelet.host.port import PayloadFile


def shown(directory: Path) -> dict[str, str]:
    """What a container would read."""
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not any(part.startswith("..") for part in path.relative_to(directory).parts)
    }


def files(**data: str) -> dict[str, PayloadFile]:
    return {name: PayloadFile(text.encode()) for name, text in data.items()}


def test_a_payload_is_shown_whole(tmp_path: Path) -> None:
    assert payload.write(str(tmp_path / "v"), {"a": PayloadFile(b"1", 0o600), "d/e": PayloadFile(b"2")})
    assert (tmp_path / "v" / "a").read_text() == "1"
    assert (tmp_path / "v" / "d" / "e").read_text() == "2"
    assert os.readlink(tmp_path / "v" / "a") == "..data/a"
    assert stat.S_IMODE((tmp_path / "v" / "a").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "v").stat().st_mode) == 0o777


def test_equal_content_changes_nothing(tmp_path: Path) -> None:
    payload.write(str(tmp_path), files(a="1"))
    before = os.readlink(tmp_path / "..data")
    assert not payload.write(str(tmp_path), files(a="1"))
    assert os.readlink(tmp_path / "..data") == before


def test_new_content_appears_and_old_names_go(tmp_path: Path) -> None:
    payload.write(str(tmp_path), files(a="1", b="2"))
    assert payload.write(str(tmp_path), files(b="3", c="4"))
    assert shown(tmp_path) == {"b": "3", "c": "4"}
    assert len([name for name in os.listdir(tmp_path) if name.startswith("..")]) == 2


def test_an_interrupted_write_is_mended(tmp_path: Path) -> None:
    payload.write(str(tmp_path), files(a="1"))
    (tmp_path / "..half").mkdir()
    (tmp_path / "..data_tmp").symlink_to("..half")
    assert payload.write(str(tmp_path), files(a="2"))
    assert shown(tmp_path) == {"a": "2"}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    made = tmp_path / "v"
    made.mkdir()
    made.chmod(0o777)
    return made


def inode(descriptor: int) -> int:
    try:
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def test_a_path_below_a_volume_is_made_as_open_as_the_volume(volume: Path) -> None:
    found = inode(subpath.open_below(str(volume), "a/b"))
    assert found == (volume / "a" / "b").stat().st_ino
    assert [stat.S_IMODE((volume / name).stat().st_mode) for name in ("a", "a/b")] == [0o777, 0o777]


def test_a_link_that_stays_inside_of_its_volume_is_followed(volume: Path) -> None:
    (volume / "there").mkdir()
    (volume / "link").symlink_to("there")
    assert inode(subpath.open_below(str(volume), "link/below")) == (volume / "there" / "below").stat().st_ino


@pytest.mark.parametrize("link", ["/etc", "../../etc"], ids=["absolute", "relative"])
def test_a_path_must_not_lead_out_of_its_volume(volume: Path, link: str) -> None:
    (volume / "link").symlink_to(link)
    with pytest.raises(ValueError, match="leads out"):
        subpath.open_below(str(volume), "link/passwd")


def test_a_link_that_is_swapped_in_after_the_look_is_refused(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (volume / "a").symlink_to("/etc")
    monkeypatch.setattr(os.path, "realpath", lambda path: path)  # what the look saw before the swap
    with pytest.raises(ValueError, match="became a link"):
        subpath.open_below(str(volume), "a/passwd")


@pytest.mark.parametrize(("make", "expected"), [("directory", "directory"), ("file", "file"), ("", "")])
async def test_what_a_path_is(tmp_path: Path, make: str, expected: str) -> None:
    path = tmp_path / "x"
    if make == "directory":
        path.mkdir()
    elif make == "file":
        path.write_text("")
    assert await LinuxHost(SystemClock()).kind(str(path)) == expected


async def test_a_tail_is_the_end_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")
    assert await LinuxHost(SystemClock()).read_tail(str(tmp_path / "x"), 3) == b"789"


async def test_a_tree_is_removed_and_what_is_gone_is_no_failure(tmp_path: Path) -> None:
    host = LinuxHost(SystemClock())
    (tmp_path / "a" / "b").mkdir(parents=True)
    await host.remove_tree(str(tmp_path / "a"))
    await host.remove_tree(str(tmp_path / "a"))
    assert not (tmp_path / "a").exists()


def test_the_machine_says_what_it_has() -> None:
    machine = LinuxHost(SystemClock()).machine()
    assert machine.cores >= 1
    assert machine.memory > 0
    assert LinuxHost(SystemClock()).load().memory_available > 0
