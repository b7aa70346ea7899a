"""A simulated machine in memory: files are dictionary entries, mounts are names, capacity is set by the test.

Directories are not tracked apart from files: every path is a directory that a file lies below, or that was made.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence

from pilothouse.kubelet.host.port import DiskUsage, Load, Machine, PayloadFile, TreeUsage

GIBIBYTE = 1 << 30


class SimulatedHost:
    """A machine in memory; `files` may be read and filled by tests. Paths on a list in `kinds` are not regular."""

    def __init__(self, cores: int = 8, memory: int = 32 * GIBIBYTE, hostname: str = "") -> None:
        self.files: dict[str, bytes] = {}
        self.kinds: dict[str, str] = {}
        self.mounts: set[str] = set()
        self.filesystems: dict[str, str] = {}
        """Of block devices."""
        self.disk_usage = DiskUsage(100 * GIBIBYTE, 80 * GIBIBYTE, 6_000_000, 5_000_000)
        self.load_now = Load(memory * 3 // 4, 200)
        self.machine_now = Machine(
            cores, memory, kernel="6.1.0-pilothouse", os_image="Pilothouse simulated node", machine_id=hostname, hostname=hostname
        )

    async def make_directory(self, path: str, mode: int = 0o755) -> None:
        """Note a directory."""
        self.kinds.setdefault(path, "directory")

    async def make_directories(self, paths: Sequence[str], mode: int = 0o755) -> None:
        """Make directories in memory."""
        for path in paths:
            await self.make_directory(path, mode)

    async def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Keep a file in memory."""
        self.files[path] = data

    async def read_file(self, path: str) -> bytes:
        """Content of a file. Raises FileNotFoundError."""
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.files[path]

    async def read_tail(self, path: str, limit: int) -> bytes:
        """The last `limit` bytes of a file. Raises FileNotFoundError."""
        return (await self.read_file(path))[-limit:]

    async def size(self, path: str) -> int:
        """Bytes of a file; 0 when it does not exist."""
        return len(self.files.get(path, b""))

    async def rename(self, old: str, new: str) -> None:
        """Rename a file."""
        self.files[new] = self.files.pop(old)

    async def compress(self, path: str, target: str) -> None:
        """Replace a file by its gzip at `target`, equal for equal content."""
        self.files[target] = gzip.compress(self.files.pop(path), mtime=0)

    async def kind(self, path: str) -> str:
        """What is at a path: file, directory or what the test set; empty for nothing."""
        if path in self.kinds:
            return self.kinds[path]
        return "file" if path in self.files else ""

    async def list_directory(self, path: str) -> Sequence[str]:
        """Sorted names directly below a path."""
        prefix = path.rstrip("/") + "/"
        below = (name for name in (*self.files, *self.kinds) if name.startswith(prefix))
        return sorted({name[len(prefix) :].partition("/")[0] for name in below})

    async def remove_tree(self, path: str) -> None:
        """Forget a path with all files and mounts below it."""
        prefix = path.rstrip("/") + "/"
        for kept in (self.files, self.kinds):
            for name in [name for name in kept if name == path or name.startswith(prefix)]:
                del kept[name]
        self.mounts = {mount for mount in self.mounts if mount != path and not mount.startswith(prefix)}

    async def write_payload(self, directory: str, files: Mapping[str, PayloadFile]) -> bool:
        """Replace the files below a directory. True when something changed."""
        prefix = directory.rstrip("/") + "/"
        wanted = {prefix + name: file.data for name, file in files.items()}
        old = {path: data for path, data in self.files.items() if path.startswith(prefix)}
        for path in old:
            del self.files[path]
        self.files.update(wanted)
        self.kinds.setdefault(directory, "directory")
        return old != wanted

    async def set_group(self, path: str, group: int, *, readonly: bool, only_if_root_differs: bool = False) -> None:
        """Do nothing: files have no owner."""
        return

    async def set_mode(self, path: str, mode: int) -> None:
        """Do nothing: files have no permissions."""
        return

    async def mount_tmpfs(self, path: str, size: int = 0, mode: int = 0o777) -> None:
        """Note a mount."""
        self.mounts.add(path)

    async def bind_sub_path(self, root: str, path: str, target: str) -> None:
        """Note a mount of the kind that `path` has."""
        self.kinds.setdefault(target, await self.kind(f"{root}/{path}") or "directory")
        self.mounts.add(target)

    async def mount(self, source: str, target: str, kind: str, options: Sequence[str] = ()) -> None:
        """Note a mount."""
        self.mounts.add(target)

    async def filesystem(self, device: str) -> str:
        """The file system that was noted for a device; empty for none."""
        return self.filesystems.get(device, "")

    async def format(self, device: str, kind: str) -> None:
        """Note a file system for a device."""
        self.filesystems[device] = kind

    async def unmount(self, path: str) -> None:
        """Forget a mount."""
        self.mounts.discard(path)

    async def is_mounted(self, path: str) -> bool:
        """Whether a mount at this path was noted."""
        return path in self.mounts

    async def disk(self, path: str) -> DiskUsage:
        """The disk usage that the test set."""
        return self.disk_usage

    async def tree_usage(self, path: str) -> TreeUsage:
        """Bytes and number of the files below a path."""
        prefix = path.rstrip("/") + "/"
        sizes = [len(data) for name, data in self.files.items() if name.startswith(prefix)]
        return TreeUsage(sum(sizes), len(sizes))

    def machine(self) -> Machine:
        """The machine that the test set."""
        return self.machine_now

    def load(self) -> Load:
        """The load that the test set."""
        return self.load_now
