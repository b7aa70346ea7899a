"""The machine itself: files, mounts, /proc and /sys.

Whatever touches a filesystem runs in a thread with a deadline, in a process of its own where one is given (kit/blocking.py): a volume may
hang, and then only who asked for it waits.
Mounts are node/linux.py's.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from functools import cache

from pilothouse.kit.blocking import BlockingCalls
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.host import devices, payload, subpath
from pilothouse.kubelet.host.port import DiskUsage, Load, Machine, PayloadFile, TreeUsage
from pilothouse.machinery import strconv
from pilothouse.node import cgroups, linux, mounts

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}
MOUNT_OPTIONS = {
    "ro": linux.MS_RDONLY,
    "nosuid": linux.MS_NOSUID,
    "nodev": linux.MS_NODEV,
    "noexec": linux.MS_NOEXEC,
    "sync": linux.MS_SYNCHRONOUS,
    "noatime": linux.MS_NOATIME,
    "nodiratime": linux.MS_NODIRATIME,
    "relatime": linux.MS_RELATIME,
    **dict.fromkeys(("defaults", "rw", "suid", "dev", "exec", "async", "atime", "diratime", "_netdev", "nofail", "auto", "noauto"), 0),
}
"""What mount(8) makes flags of, or keeps to itself."""
KINDS = (
    (stat.S_ISDIR, "directory"),
    (stat.S_ISREG, "file"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "char"),
    (stat.S_ISBLK, "block"),
)


FILE_SECONDS, MOUNT_SECONDS, WALK_SECONDS = 30.0, 120.0, 3600.0
"""How long an answer about one file, a mount, and a walk of a whole tree may take."""


class LinuxHost:
    """Host of a kubelet on Linux. `calls` runs what touches a filesystem, in threads with deadlines."""

    def __init__(self, clock: Clock, calls: BlockingCalls | None = None) -> None:
        self._calls = calls or BlockingCalls(clock)

    # Files

    async def make_directory(self, path: str, mode: int = 0o755) -> None:
        """Make a directory with its parents."""
        await self._calls.run(path, FILE_SECONDS, _make_directories, (path,), mode)

    async def make_directories(self, paths: Sequence[str], mode: int = 0o755) -> None:
        """Make directories one after the other, with their parents."""
        await self._calls.run(paths[0], FILE_SECONDS, _make_directories, paths, mode)

    async def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file, replacing one that is there."""
        await self._calls.run(path, FILE_SECONDS, _write_file, path, data, mode)

    async def read_file(self, path: str) -> bytes:
        """Content of a file."""
        return await self._calls.run(path, FILE_SECONDS, _read_file, path)

    async def read_tail(self, path: str, limit: int) -> bytes:
        """The last `limit` bytes of a file."""
        return await self._calls.run(path, FILE_SECONDS, _read_tail, path, limit)

    async def size(self, path: str) -> int:
        """Bytes of a file; 0 when it does not exist."""
        return await self._calls.run(path, FILE_SECONDS, _size, path)

    async def rename(self, old: str, new: str) -> None:
        """Rename a file."""
        await self._calls.run(old, FILE_SECONDS, os.rename, old, new)

    async def compress(self, path: str, target: str) -> None:
        """Write a file with gzip to `target` and remove it."""
        await self._calls.run(path, WALK_SECONDS, _compress, path, target)

    async def kind(self, path: str) -> str:
        """What is at a path: directory, file, socket, char, block, other; empty for nothing."""
        return await self._calls.run(path, FILE_SECONDS, _kind, path)

    async def list_directory(self, path: str) -> Sequence[str]:
        """Sorted names in a directory; none when it does not exist."""
        return await self._calls.run(path, FILE_SECONDS, _list_directory, path)

    async def remove_tree(self, path: str) -> None:
        """Unmount what is mounted below a path, then remove the tree. Raises OSError and removes nothing while something stays mounted."""
        await self._calls.run(path, WALK_SECONDS, _remove_tree, path)

    async def write_payload(self, directory: str, files: Mapping[str, PayloadFile]) -> bool:
        """Replace the files of a volume in one step. True when something changed."""
        return await self._calls.run(directory, FILE_SECONDS, payload.write, directory, files)

    async def set_mode(self, path: str, mode: int) -> None:
        """Set permissions of a path."""
        await self._calls.run(path, FILE_SECONDS, os.chmod, path, mode)

    async def set_group(self, path: str, group: int, *, readonly: bool, only_if_root_differs: bool = False) -> None:
        """Give a volume's files to a group, as upstream does for fsGroup."""
        await self._calls.run(path, WALK_SECONDS, _set_group, path, group, readonly, only_if_root_differs)

    # Mounts

    async def mount_tmpfs(self, path: str, size: int = 0, mode: int = 0o777) -> None:
        """Mount a tmpfs of `size` bytes (0: no limit) at a path."""
        await self._calls.run(path, MOUNT_SECONDS, _mount_tmpfs, path, size, mode)

    async def bind_sub_path(self, root: str, path: str, target: str) -> None:
        """Bind `path` below `root` to `target`. Raises ValueError for a link that leads out of `root`."""
        await self._calls.run(root, MOUNT_SECONDS, subpath.bind, root, path, target)

    async def mount(self, source: str, target: str, kind: str, options: Sequence[str] = ()) -> None:
        """Mount `source` at `target`."""
        await self._calls.run(target, MOUNT_SECONDS, _mount, source, target, kind, options)

    async def filesystem(self, device: str) -> str:
        """File system on a block device; empty when there is none."""
        return await self._calls.run(device, MOUNT_SECONDS, devices.filesystem, device)

    async def format(self, device: str, kind: str) -> None:
        """Make a file system of type `kind` on a block device."""
        await self._calls.run(device, WALK_SECONDS, devices.format, device, kind)

    async def unmount(self, path: str) -> None:
        """Unmount what is at a path; nothing there is no error."""
        await self._calls.run(path, MOUNT_SECONDS, _unmount, path)

    async def is_mounted(self, path: str) -> bool:
        """Whether something is mounted at exactly this path."""
        return await self._calls.run(os.path.dirname(path), FILE_SECONDS, _is_mounted, path)

    # Facts

    async def disk(self, path: str) -> DiskUsage:
        """Size and usage of the file system of a path, in bytes and inodes."""
        return await self._calls.run(path, FILE_SECONDS, _disk, path)

    async def tree_usage(self, path: str) -> TreeUsage:
        """Disk usage of a directory, in bytes and inodes."""
        return await self._calls.run(path, WALK_SECONDS, _tree_usage, path)

    def machine(self) -> Machine:
        """Cores, memory, kernel and identity of this machine."""
        return _machine()

    def load(self) -> Load:
        """Available memory, processes and CPU time now, from /proc."""
        free = _meminfo()
        processes = strconv.parse_int(_text("/proc/loadavg").split("/")[1].split()[0])
        limit = strconv.parse_int(_text("/proc/sys/kernel/pid_max", "32768"))
        return Load(free.get("MemAvailable", 0), processes, limit, _cpu_seconds(_text("/proc/stat")))


def _make_directories(paths: Sequence[str], mode: int) -> None:
    for path in paths:
        os.makedirs(path, mode, exist_ok=True)


def _write_file(path: str, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)


def _read_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _read_tail(path: str, limit: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - limit, 0))
        return file.read(limit)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _compress(path: str, target: str) -> None:
    unfinished = target + ".tmp"
    with open(path, "rb") as source, gzip.open(unfinished, "wb", compresslevel=6) as made:
        shutil.copyfileobj(source, made, 1 << 20)
    os.rename(unfinished, target)
    os.unlink(path)


def _kind(path: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return next((name for check, name in KINDS if check(mode)), "other")


def _list_directory(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _set_group(path: str, group: int, readonly: bool, only_if_root_differs: bool) -> None:
    if only_if_root_differs and _already_of(path, group, readonly):
        return
    for folder, _, names in os.walk(path, topdown=False):  # the root last: it says that the walk came to its end
        for entry in (*(os.path.join(folder, name) for name in names), folder):
            _give_to_group(entry, group, readonly)


def _mount_tmpfs(path: str, size: int, mode: int) -> None:
    os.makedirs(path, exist_ok=True)
    options = f"mode={mode:o}" + (f",size={size}" if size else "")
    linux.mount("tmpfs", path, "tmpfs", 0, options)


def _mount(source: str, target: str, kind: str, options: Sequence[str]) -> None:
    os.makedirs(target, exist_ok=True)
    flags = 0
    for name in options:
        flags |= MOUNT_OPTIONS.get(name, 0)
    linux.mount(source, target, kind, flags, ",".join(name for name in options if name not in MOUNT_OPTIONS))


def _unmount(path: str) -> None:
    try:
        linux.unmount(path)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOENT}:  # not mounted, not there
            raise


def _is_mounted(path: str) -> bool:
    """Its own last part is not looked at: what is mounted there may hang."""
    folder, name = os.path.split(path)
    return mounts.is_point(os.path.join(os.path.realpath(folder), name))


def _disk(path: str) -> DiskUsage:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    stats = os.statvfs(path)
    size = stats.f_frsize
    device = os.stat(path).st_dev
    return DiskUsage(stats.f_blocks * size, stats.f_bavail * size, stats.f_files, stats.f_favail, device)


def _remove_tree(path: str) -> None:
    if not os.path.lexists(path):
        return
    mounts.unmount_below(path)
    if mounts.below(os.path.realpath(path), mounts.points()):
        raise OSError(errno.EBUSY, "Device or resource busy", path)  # or what is mounted there would be emptied
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, onerror=_unless_gone)
    else:
        os.unlink(path)


def _unless_gone(function: object, path: str, information: tuple[type[BaseException], BaseException, object]) -> None:
    if not isinstance(information[1], FileNotFoundError):
        raise information[1]


def _already_of(path: str, group: int, readonly: bool) -> bool:
    status = os.stat(path)
    wanted = (0o550 if readonly else 0o770) | stat.S_ISGID
    return status.st_gid == group and status.st_mode & wanted == wanted


def _give_to_group(path: str, group: int, readonly: bool) -> None:
    status = os.lstat(path)
    os.lchown(path, -1, group)
    if stat.S_ISLNK(status.st_mode):
        return
    bits = 0o440 if readonly else 0o660
    if stat.S_ISDIR(status.st_mode):
        bits |= 0o110 | stat.S_ISGID
    os.chmod(path, stat.S_IMODE(status.st_mode) | bits)


def _tree_usage(path: str) -> TreeUsage:
    total = inodes = 0
    for folder, folders, names in os.walk(path, onerror=None):
        inodes += len(folders) + len(names)
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
    return TreeUsage(total, inodes)


def _text(path: str, otherwise: str = "") -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return otherwise


def _meminfo() -> dict[str, int]:
    """Bytes by name; what is no size in kB is left out."""
    lines = (line.split() for line in _text("/proc/meminfo").splitlines())
    return {words[0].rstrip(":"): strconv.parse_int(words[1]) * 1024 for words in lines if len(words) == 3}


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip('"')
    return "Linux"


def _hugepages() -> dict[str, int]:
    """Bytes reserved, by the size of the page as resources name it: `2Mi`."""
    root, counts = "/sys/kernel/mm/hugepages", {}
    for name in os.listdir(root) if os.path.isdir(root) else []:
        kibibytes = strconv.parse_int(name.removeprefix("hugepages-").removesuffix("kB"))
        size = f"{kibibytes // 1048576}Gi" if kibibytes >= 1048576 else f"{kibibytes // 1024}Mi" if kibibytes >= 1024 else f"{kibibytes}Ki"
        counts[size] = strconv.parse_int(_text(f"{root}/{name}/nr_hugepages", "0")) * kibibytes * 1024
    return counts


def _cpu_seconds(text: str) -> float:
    """Of /proc/stat: all that the processors did since the start but idling and waiting; what guests took is in user and nice."""
    user, nice, system, _, _, irq, softirq, steal = map(strconv.parse_int, text.split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


@cache
def _machine() -> Machine:
    names = os.uname()
    return Machine(
        cores=os.cpu_count() or 1,
        memory=_meminfo().get("MemTotal", 0),
        architecture=ARCHITECTURES.get(names.machine, names.machine),
        kernel=names.release,
        os_image=_os_image(),
        machine_id=_text("/etc/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        hostname=names.nodename,
        swap=_meminfo().get("SwapTotal", 0),
        hugepages=_hugepages(),
        cgroup_v2=cgroups.is_unified(),
        limits_swap=cgroups.limits_swap(),
        apparmor=_text("/sys/module/apparmor/parameters/enabled") == "Y",
    )
