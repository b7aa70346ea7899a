"""Network and mount namespaces with names: made, entered, removed.

- A network namespace is pinned below /run/netns, where `ip netns` finds it; a mount namespace below the cluster's run directory.
- A pinned namespace outlives every process; `remove` forgets it, and it ends with its last process.
- The calling thread never changes: whatever must happen inside happens in a thread of its own (`inside`) or in a process
  that is about to become another program (`entering`).
- All of this works in a chroot too: a mount namespace made there begins at its root, not at the machine's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pilothouse.node import linux, mounts

T = TypeVar("T")

NETNS_DIRECTORY = "/run/netns"
NETNS_MOUNTED = Path("/run/pilothouse/.netns-mounted")
"""There as long as that directory is a mount point of our making."""


def network_path(name: str) -> str:
    """Where the network namespace `name` is pinned; `ip netns` uses the same directory."""
    return f"{NETNS_DIRECTORY}/{name}"


def make_network(name: str) -> bool:
    """A network namespace named `name`; False when it stood already."""
    path = network_path(name)
    if is_pinned(path):
        return False
    with _netns_directory():
        _pin(path, linux.CLONE_NEWNET, "net", lambda: None)
    return True


def pin_network_again(name: str, process_id: int) -> bool:
    """Restore the name of a process's network namespace after it was removed; False when the name exists."""
    path = network_path(name)
    if is_pinned(path):
        return False
    with _netns_directory():
        with open(path, "a", encoding="utf-8"):
            pass
        linux.mount(f"/proc/{process_id}/ns/net", path, flags=linux.MS_BIND)
    return True


def remove(path: str) -> bool:
    """Forget the namespace pinned at `path`; False when there was none."""
    if not os.path.exists(path):
        return False
    for _ in range(mounts.STACK_LIMIT):
        try:
            linux.unmount(path)
        except OSError:
            break
    os.unlink(path)
    return True


def make_mounts(path: str, prepare: Callable[[], None]) -> bool:
    """Make a mount namespace pinned at `path`; it receives the host's mounts and propagates none.

    `prepare` runs inside it once. False when it stood already. The directory of `path` is made private for this. What is this
    process's root is the namespace's: OCI runtimes pivot away from it, and who enters a container's namespace finds himself where
    they pivoted to only if nothing lies below.
    """
    if is_pinned(path):
        return False
    mounts.private_directory(os.path.dirname(path))
    root = real_root()

    def inside_new() -> None:
        if root == "/":
            linux.mount("", "/", flags=linux.MS_SLAVE | linux.MS_REC)
        else:
            leave_chroot(root)
        prepare()
        # What a container mounts into a volume with propagation Bidirectional is for the others of this node to see.
        linux.mount("", "/", flags=linux.MS_SHARED | linux.MS_REC)

    _pin_younger(path, inside_new)
    return True


def leave_chroot(root: str) -> None:
    """Make the calling thread's root the root of its mount namespace, which must not be the machine's."""
    linux.set_namespace("/proc/thread-self/ns/mnt", linux.CLONE_NEWNS)  # out of the chroot
    linux.mount("", "/", flags=linux.MS_SLAVE | linux.MS_REC)
    linux.mount(root, root, flags=linux.MS_BIND | linux.MS_REC)
    os.chdir(root)
    linux.pivot_root(".", ".")  # the old root now lies on the new one
    linux.unmount(".")
    os.chdir("/")


def _pin_younger(path: str, prepare: Callable[[], None]) -> None:
    """Pin a new mount namespace at `path`, trying one processor after the other.

    The kernel refuses (EINVAL) to bind a mount namespace inside one with a higher number, lest they hold each other up. Since
    Linux 6.18 each processor numbers from a block of its own: where this process does not live in the machine's first mount
    namespace (in a container, in a chroot of CI), what another processor has made may seem older.
    """
    processors = (None, *sorted(os.sched_getaffinity(0)))
    for processor in processors:
        try:
            _pin(path, linux.CLONE_NEWNS, "mnt", prepare, processor)
            return
        except OSError as failure:
            if failure.errno != errno.EINVAL or processor == processors[-1]:
                raise


def is_pinned(path: str) -> bool:
    """Whether `path` stands for a namespace (and is not a file left over by one)."""
    return any(mount.point == path and mount.kind == "nsfs" for mount in mounts.points())


def inside(path: str, work: Callable[[], T]) -> T:
    """Result of `work`, run in the network namespace at `path`; sockets that it opens stay there."""

    def enter_and_work() -> T:
        linux.set_namespace(path, linux.CLONE_NEWNET)
        return work()

    return _in_thread(enter_and_work)


def inside_mounts(path: str, work: Callable[[], T]) -> T:
    """Result of `work`, run in the mount namespace at `path`."""
    enter = entering(mount=path)

    def enter_and_work() -> T:
        linux.unshare(linux.CLONE_FS)  # of this thread alone: the others stay where they are
        enter()
        return work()

    return _in_thread(enter_and_work)


def entering(network: str = "", mount: str = "") -> Callable[[], None]:
    """Function for a forked process to enter the namespaces at these paths before exec.

    It runs where no lock of another thread may be needed: the C functions that it calls have been looked up before.
    """
    linux.look_up("setns")

    def enter() -> None:
        if network:
            linux.set_namespace(network, linux.CLONE_NEWNET)
        if mount:
            linux.set_namespace(mount, linux.CLONE_NEWNS)

    return enter


def real_root() -> str:
    """Path of this process's root in its mount namespace: "/" unless it is in a chroot."""

    def look() -> str:
        linux.unshare(linux.CLONE_FS)
        linux.set_namespace("/proc/self/ns/mnt", linux.CLONE_NEWNS)  # the same one, but from its very root
        return os.readlink("/proc/self/root")  # of the leading thread, whose number may be another one in this /proc

    return _in_thread(look)


def release_network_directory() -> bool:
    """Take the mount of /run/netns away if we made it and nothing is pinned there any more; False when it stays."""
    if not NETNS_MOUNTED.exists():
        return False
    with _locked_netns_directory():
        if any(os.scandir(NETNS_DIRECTORY)):
            return False
        with contextlib.suppress(OSError):  # somebody else took it away
            linux.unmount(NETNS_DIRECTORY)
        with contextlib.suppress(OSError):  # something lies below the mount
            os.rmdir(NETNS_DIRECTORY)
        NETNS_MOUNTED.unlink()
    return True


@contextlib.contextmanager
def _netns_directory() -> Iterator[None]:
    """As `ip netns add` has it: what is pinned there must be seen, and vanish, in every mount namespace."""
    with _locked_netns_directory():
        if not mounts.is_point(NETNS_DIRECTORY):
            NETNS_MOUNTED.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            NETNS_MOUNTED.touch()
            linux.mount(NETNS_DIRECTORY, NETNS_DIRECTORY, flags=linux.MS_BIND | linux.MS_REC)
        linux.mount("", NETNS_DIRECTORY, flags=linux.MS_SHARED | linux.MS_REC)
        yield


@contextlib.contextmanager
def _locked_netns_directory() -> Iterator[None]:
    """Nobody else, nor `ip netns add`, which takes the same lock, mounts or pins there meanwhile."""
    while True:
        os.makedirs(NETNS_DIRECTORY, mode=0o755, exist_ok=True)
        descriptor = os.open(NETNS_DIRECTORY, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.isdir(NETNS_DIRECTORY) and os.path.samestat(os.stat(NETNS_DIRECTORY), os.fstat(descriptor)):
                yield
                return  # else it was removed while we waited
        finally:
            os.close(descriptor)


def _pin(path: str, flag: int, kind: str, prepare: Callable[[], None], processor: int | None = None) -> None:
    """Unshare in a thread (on that processor), bind its namespace to `path` from here: it cannot be bound inside itself."""
    made, pinned = threading.Event(), threading.Event()
    thread_id: list[int] = []

    def unshared() -> None:
        try:
            if processor is not None:
                os.sched_setaffinity(0, {processor})  # of this thread, which ends soon
            linux.unshare(flag)
            prepare()
            thread_id.append(threading.get_native_id())
        finally:
            made.set()
        pinned.wait()

    failures: list[BaseException] = []
    thread = threading.Thread(target=_keeping_failure(unshared, failures), daemon=True)
    thread.start()
    made.wait()
    try:
        if thread_id:
            with open(path, "a", encoding="utf-8"):
                pass
            linux.mount(f"/proc/self/task/{thread_id[0]}/ns/{kind}", path, flags=linux.MS_BIND)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        pinned.set()
        thread.join()
    if failures:
        raise failures[0]


def _in_thread(work: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []
    thread = threading.Thread(target=_keeping_failure(lambda: results.append(work()), failures), daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _keeping_failure(work: Callable[[], None], failures: list[BaseException]) -> Callable[[], None]:
    def guarded() -> None:
        try:
            work()
        except BaseException as failure:  # handed to the thread that waits
            failures.append(failure)

    return guarded
