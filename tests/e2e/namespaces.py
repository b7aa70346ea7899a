"""Network namespaces for tests with real packets: made, entered by threads, and removed again whatever happens.

`os.setns` is not in Python 3.11, hence ctypes. A socket stays in the namespace that it was opened in.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
LIMIT_SECONDS = 60.0


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


def inside(namespace: str, *command: str) -> str:
    return run(*words_inside(namespace), *command)


def words_inside(namespace: str) -> list[str]:
    """What leads a command into a namespace: `ip netns exec` and `ip -n` would mount /sys anew, which a chroot refuses."""
    return ["nsenter", f"--net=/run/netns/{namespace}"]


def enter(namespace: str) -> None:
    """Move the calling thread into a namespace."""
    handle = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns to {namespace}")
    finally:
        os.close(handle)


def within(namespace: str, function: Callable[[], T]) -> T:
    """What `function` gives when a thread of the namespace calls it."""
    result: Future[T] = Future()

    def work() -> None:
        try:
            enter(namespace)
            result.set_result(function())
        except BaseException as error:  # handed to whoever waits
            result.set_exception(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return result.result(LIMIT_SECONDS)


class Loop:
    """An event loop in a thread of a namespace."""

    def __init__(self, namespace: str) -> None:
        self.loop = asyncio.new_event_loop()
        ready: Future[None] = Future()

        def work() -> None:
            try:
                enter(namespace)
            except BaseException as error:
                ready.set_exception(error)
                return
            self.loop.call_soon(ready.set_result, None)
            self.loop.run_forever()
            self.loop.close()

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()
        ready.result(LIMIT_SECONDS)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(LIMIT_SECONDS)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(LIMIT_SECONDS)
