"""The machine itself: files, mounts, /proc and /sys.

System calls here are short; what may take long (removing, measuring a tree) runs in a thread. Mounts are node/linux.py's.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from functools import cache

from pilothouse.kubelet.host import beneath, payload
from pilothouse.kubelet.host.port import DiskUsage, Load, Machine, PayloadFile
from pilothouse.node import cgroups, linux, mounts

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}
MOUNT_OPTIONS = {"ro": linux.MS_RDONLY, "nosuid": linux.MS_NOSUID, "nodev": linux.MS_NODEV, "noexec": linux.MS_NOEXEC}
KINDS = (
    (stat.S_ISDIR, "directory"),
    (stat.S_ISREG, "file"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "char"),
    (stat.S_ISBLK, "block"),
)


class LinuxHost:
    """See the port."""

    # Files

    def make_directory(self, path: str, mode: int = 0o755) -> None:
        os.makedirs(path, mode, exist_ok=True)

    def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)

    def read_file(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def read_tail(self, path: str, limit: int) -> bytes:
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - limit, 0))
            return file.read(limit)

    def size(self, path: str) -> int:
        try:
            return os.stat(path).st_size
        except FileNotFoundError:
            return 0

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def kind(self, path: str) -> str:
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return ""
        return next((name for check, name in KINDS if check(mode)), "other")

    def list_directory(self, path: str) -> Sequence[str]:
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []

    async def remove_tree(self, path: str) -> None:
        await asyncio.to_thread(_remove_tree, path)

    def write_payload(self, directory: str, files: Mapping[str, PayloadFile]) -> bool:
        return payload.write(directory, files)

    def set_mode(self, path: str, mode: int) -> None:
        os.chmod(path, mode)

    def set_group(self, path: str, group: int, *, readonly: bool, only_if_root_differs: bool = False) -> None:
        if only_if_root_differs and _already_of(path, group, readonly):
            return
        for folder, _, names in os.walk(path):
            for one in (folder, *(os.path.join(folder, name) for name in names)):
                _give_to_group(one, group, readonly)

    # Mounts

    def mount_tmpfs(self, path: str, size: int = 0, mode: int = 0o777) -> None:
        os.makedirs(path, exist_ok=True)
        options = f"mode={mode:o}" + (f",size={size}" if size else "")
        linux.mount("tmpfs", path, "tmpfs", 0, options)

    def bind_beneath(self, root: str, path: str, target: str) -> None:
        beneath.bind(root, path, target)

    def mount(self, source: str, target: str, kind: str, options: Sequence[str] = ()) -> None:
        os.makedirs(target, exist_ok=True)
        flags = sum(MOUNT_OPTIONS[one] for one in options if one in MOUNT_OPTIONS)
        linux.mount(source, target, kind, flags, ",".join(one for one in options if one not in MOUNT_OPTIONS))

    def unmount(self, path: str) -> None:
        try:
            linux.unmount(path)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOENT}:  # not mounted, not there
                raise

    def is_mounted(self, path: str) -> bool:
        return mounts.is_point(os.path.realpath(path))

    # Facts

    def disk(self, path: str) -> DiskUsage:
        while not os.path.exists(path):
            path = os.path.dirname(path)
        found = os.statvfs(path)
        size = found.f_frsize
        return DiskUsage(found.f_blocks * size, found.f_bavail * size, found.f_files, found.f_favail)

    async def tree_size(self, path: str) -> int:
        return await asyncio.to_thread(_tree_size, path)

    def machine(self) -> Machine:
        return _machine()

    def load(self) -> Load:
        free = _meminfo()
        processes = int(_text("/proc/loadavg").split("/")[1].split()[0])
        limit = int(_text("/proc/sys/kernel/pid_max", "32768"))
        return Load(free.get("MemAvailable", 0), processes, limit, _cpu_seconds(_text("/proc/stat")))


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
    found = os.stat(path)
    wanted = (0o550 if readonly else 0o770) | stat.S_ISGID
    return found.st_gid == group and found.st_mode & wanted == wanted


def _give_to_group(path: str, group: int, readonly: bool) -> None:
    found = os.lstat(path)
    os.lchown(path, -1, group)
    if stat.S_ISLNK(found.st_mode):
        return
    bits = 0o440 if readonly else 0o660
    if stat.S_ISDIR(found.st_mode):
        bits |= 0o110 | stat.S_ISGID
    os.chmod(path, stat.S_IMODE(found.st_mode) | bits)


def _tree_size(path: str) -> int:
    total = 0
    for folder, _, names in os.walk(path, onerror=None):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
    return total


def _text(path: str, otherwise: str = "") -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return otherwise


def _meminfo() -> dict[str, int]:
    """Bytes by name; what is no size in kB is left out."""
    lines = (line.split() for line in _text("/proc/meminfo").splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) == 3}


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip('"')
    return "Linux"


def _hugepages() -> dict[str, int]:
    """Bytes reserved, by the size of the page as resources name it: `2Mi`."""
    root, found = "/sys/kernel/mm/hugepages", {}
    for name in os.listdir(root) if os.path.isdir(root) else []:
        kibibytes = int(name.removeprefix("hugepages-").removesuffix("kB"))
        size = f"{kibibytes // 1048576}Gi" if kibibytes >= 1048576 else f"{kibibytes // 1024}Mi" if kibibytes >= 1024 else f"{kibibytes}Ki"
        found[size] = int(_text(f"{root}/{name}/nr_hugepages", "0")) * kibibytes * 1024
    return found


def _cpu_seconds(text: str) -> float:
    """Of /proc/stat: all that the processors did since the start but idling and waiting; what guests took is in user and nice."""
    user, nice, system, _, _, irq, softirq, steal = (int(word) for word in text.split(maxsplit=9)[1:9])
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
