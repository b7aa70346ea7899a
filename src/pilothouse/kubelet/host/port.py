"""Interface between the kubelet and its machine.

- Paths are absolute. Failures are OSError, as the system calls raise them.
- What is asked for and is already so succeeds: directories that exist, mounts that are gone.
- `linux.py` does it; `simulated.py` holds files in memory and mounts nothing, so that a thousand nodes cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, frozen=True)
class PayloadFile:
    """One file of a volume written by the kubelet; `owner` is a uid."""

    data: bytes
    mode: int = 0o644
    owner: int | None = None


@dataclass(slots=True, frozen=True)
class DiskUsage:
    """Capacity and free space of one filesystem, in bytes and inodes."""

    capacity: int
    available: int
    inodes: int = 0
    inodes_free: int = 0
    device: int = 0
    """Equal for paths of one filesystem."""


@dataclass(slots=True, frozen=True)
class TreeUsage:
    """Disk usage below a directory."""

    bytes: int = 0
    inodes: int = 0


@dataclass(slots=True, frozen=True)
class Machine:
    """Facts about the machine that do not change while it is up. Sizes in bytes."""

    cores: int
    memory: int
    architecture: str = "amd64"
    kernel: str = ""
    os_image: str = ""
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""
    hostname: str = ""
    swap: int = 0
    hugepages: Mapping[str, int] | None = None
    cgroup_v2: bool = False
    limits_swap: bool = False
    """Whether the kernel keeps count of each control group's swap."""
    apparmor: bool = True
    """Whether the kernel enforces AppArmor profiles."""


@dataclass(slots=True, frozen=True)
class Load:
    """Available memory (page cache that can be reclaimed counts as available), processes, and CPU time."""

    memory_available: int
    processes: int = 0
    processes_limit: int = 32768
    cpu_seconds: float = 0.0


class Host(Protocol):
    """The machine: files, mounts and facts."""

    async def make_directory(self, path: str, mode: int = 0o755) -> None:
        """Make a directory with its parents."""

    async def make_directories(self, paths: Sequence[str], mode: int = 0o755) -> None:
        """Make several directories, in this order."""

    async def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file, replacing an existing one; the mode does not depend on the umask."""
        ...

    async def read_file(self, path: str) -> bytes:
        """Content of a file. Raises FileNotFoundError."""

    async def read_tail(self, path: str, limit: int) -> bytes:
        """The last `limit` bytes of a file."""
        ...

    async def size(self, path: str) -> int:
        """Bytes of a file; 0 when there is none."""
        ...

    async def rename(self, old: str, new: str) -> None:
        """Rename a file; one that is at `new` is replaced."""

    async def compress(self, path: str, target: str) -> None:
        """Replace a file by its gzipped content; `target` is there whole or not at all."""
        ...

    async def kind(self, path: str) -> str:
        """Type of a path: directory, file, socket, char, block, other, or "" for nothing; links are followed."""
        ...

    async def list_directory(self, path: str) -> Sequence[str]:
        """Names in a directory; empty when it does not exist."""
        ...

    async def remove_tree(self, path: str) -> None:
        """Unmount everything below a path, then remove it; nothing is removed when an unmount fails."""
        ...

    async def write_payload(self, directory: str, files: Mapping[str, PayloadFile]) -> bool:
        """Make `directory` show exactly `files` (relative paths), atomically through upstream's `..data` link; whether it changed."""
        ...

    async def set_group(self, path: str, group: int, *, readonly: bool, only_if_root_differs: bool = False) -> None:
        """Change group and permissions of a tree as fsGroup requires: group-owned, group-writable unless readonly, setgid directories."""
        ...

    async def set_mode(self, path: str, mode: int) -> None:
        """Set permissions of a path."""

    async def mount_tmpfs(self, path: str, size: int = 0, mode: int = 0o777) -> None:
        """Mount a tmpfs of `size` bytes (0: no limit) at a path."""

    async def bind_sub_path(self, root: str, path: str, target: str) -> None:
        """Bind-mount `path` below `root`, and make what is missing of both; ValueError when a link leads out of `root`."""
        ...

    async def mount(self, source: str, target: str, kind: str, options: Sequence[str] = ()) -> None:
        """Mount `source` at `target` as file system `kind`."""

    async def filesystem(self, device: str) -> str:
        """Type of the filesystem on a block device; "" for none, `unknown data, probably partitions` for a partitioned disk."""
        ...

    async def format(self, device: str, kind: str) -> None:
        """Make a filesystem of type `kind` on a block device."""

    async def unmount(self, path: str) -> None:
        """Unmount what is at a path."""

    async def is_mounted(self, path: str) -> bool:
        """Whether something is mounted at exactly this path."""

    async def disk(self, path: str) -> DiskUsage:
        """Size and usage of the file system of a path."""

    async def tree_usage(self, path: str) -> TreeUsage:
        """Disk usage below a path; zero when it does not exist."""
        ...

    def machine(self) -> Machine:
        """Facts about the machine."""

    def load(self) -> Load:
        """Current load of the machine."""


async def unmount_if_mounted(host: Host, path: str) -> None:
    """Unmount what is mounted at exactly this path; nothing there is no error. OSError when it is in use."""
    if await host.is_mounted(path):
        await host.unmount(path)
