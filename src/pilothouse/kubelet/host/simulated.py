"""A machine in memory: files are dictionary entries, mounts are names, capacity is what the test says.

Directories are not tracked apart from files: every path is a directory that a file lies below, or that was made.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence

from pilothouse.kubelet.host.port import DiskUsage, Load, Machine, PayloadFile, TreeUsage

GIBIBYTE = 1 << 30


class SimulatedHost:
    """See the module; `files` may be read and filled by tests. Paths on a list in `kinds` are not regular."""

    def __init__(self, cores: int = 8, memory: int = 32 * GIBIBYTE, hostname: str = "") -> None:
        self.files: dict[str, bytes] = {}
        self.kinds: dict[str, str] = {}
        self.mounts: set[str] = set()
        self.disk_usage = DiskUsage(100 * GIBIBYTE, 80 * GIBIBYTE, 6_000_000, 5_000_000)
        self.load_now = Load(memory * 3 // 4, 200)
        self.machine_now = Machine(
            cores, memory, kernel="6.1.0-pilothouse", os_image="Pilothouse simulated node", machine_id=hostname, hostname=hostname
        )

    async def make_directory(self, path: str, mode: int = 0o755) -> None:
        self.kinds.setdefault(path, "directory")

    async def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self.files[path] = data

    async def read_file(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.files[path]

    async def read_tail(self, path: str, limit: int) -> bytes:
        return (await self.read_file(path))[-limit:]

    async def size(self, path: str) -> int:
        return len(self.files.get(path, b""))

    async def rename(self, old: str, new: str) -> None:
        self.files[new] = self.files.pop(old)

    async def compress(self, path: str, target: str) -> None:
        self.files[target] = gzip.compress(self.files.pop(path), mtime=0)

    async def kind(self, path: str) -> str:
        if path in self.kinds:
            return self.kinds[path]
        return "file" if path in self.files else ""

    async def list_directory(self, path: str) -> Sequence[str]:
        prefix = path.rstrip("/") + "/"
        below = (one for one in (*self.files, *self.kinds) if one.startswith(prefix))
        return sorted({one[len(prefix) :].partition("/")[0] for one in below})

    async def remove_tree(self, path: str) -> None:
        prefix = path.rstrip("/") + "/"
        for kept in (self.files, self.kinds):
            for one in [one for one in kept if one == path or one.startswith(prefix)]:
                del kept[one]
        self.mounts = {one for one in self.mounts if one != path and not one.startswith(prefix)}

    async def write_payload(self, directory: str, files: Mapping[str, PayloadFile]) -> bool:
        prefix = directory.rstrip("/") + "/"
        wanted = {prefix + name: file.data for name, file in files.items()}
        old = {path: data for path, data in self.files.items() if path.startswith(prefix)}
        for path in old:
            del self.files[path]
        self.files.update(wanted)
        self.kinds.setdefault(directory, "directory")
        return old != wanted

    async def set_group(self, path: str, group: int, *, readonly: bool, only_if_root_differs: bool = False) -> None:
        return

    async def set_mode(self, path: str, mode: int) -> None:
        return

    async def mount_tmpfs(self, path: str, size: int = 0, mode: int = 0o777) -> None:
        self.mounts.add(path)

    async def bind_sub_path(self, root: str, path: str, target: str) -> None:
        self.kinds.setdefault(target, await self.kind(f"{root}/{path}") or "directory")
        self.mounts.add(target)

    async def mount(self, source: str, target: str, kind: str, options: Sequence[str] = ()) -> None:
        self.mounts.add(target)

    async def unmount(self, path: str) -> None:
        self.mounts.discard(path)

    async def is_mounted(self, path: str) -> bool:
        return path in self.mounts

    async def disk(self, path: str) -> DiskUsage:
        return self.disk_usage

    async def tree_usage(self, path: str) -> TreeUsage:
        prefix = path.rstrip("/") + "/"
        sizes = [len(data) for name, data in self.files.items() if name.startswith(prefix)]
        return TreeUsage(sum(sizes), len(sizes))

    def machine(self) -> Machine:
        return self.machine_now

    def load(self) -> Load:
        return self.load_now
