"""What can be said of namespaces without making any: making them needs root, and is seen end to end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pilothouse.node import linux, namespaces


def test_a_file_that_nothing_is_mounted_on_is_no_namespace(tmp_path: Path) -> None:
    (tmp_path / "left-over").touch()
    assert not namespaces.is_pinned(str(tmp_path / "left-over"))


def test_removing_what_a_crash_left_is_enough_to_begin_anew(tmp_path: Path) -> None:
    (tmp_path / "left-over").touch()
    assert namespaces.remove(str(tmp_path / "left-over"))
    assert not namespaces.remove(str(tmp_path / "left-over"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_real_root_is_found() -> None:
    """Also in a chroot: seen from the very root of the mount namespace, it is what "/" is here."""
    found, seen = namespaces.real_root(), []

    def look() -> None:
        linux.unshare(linux.CLONE_FS)
        linux.set_namespace("/proc/self/ns/mnt", linux.CLONE_NEWNS)
        seen.append(os.stat(found))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert os.path.samestat(seen[0], os.stat("/"))
