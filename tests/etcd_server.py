"""A real etcd for tests: one process with its own folder and ports, which can be killed and started again.

`ETCD` in the environment names another than the one on PATH.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

START_SECONDS = 30.0
MISSING = "this test needs etcd: `python3 tools/bootstrap.py --system --tests` installs it (Debian's etcd-server), or set ETCD to its path"


def program() -> str:
    """The path of etcd; the test fails where there is none."""
    found = os.environ.get("ETCD") or shutil.which("etcd")
    if not found:
        pytest.fail(MISSING)
    return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class EtcdServer:
    """A cluster of one member. `start` returns when it answers; `kill` is kill -9, and leaves the data."""

    def __init__(self, folder: Path, *flags: str, scheme: str = "http") -> None:
        self.folder = folder
        client, peer = free_ports(2)
        self.peer = f"http://127.0.0.1:{peer}"
        self.url = f"{scheme}://127.0.0.1:{client}"
        self._health = f"http://127.0.0.1:{client}/health"
        self.flags = [
            *("--data-dir", str(folder), "--name", "test", "--log-level", "error"),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer),
            *("--initial-cluster", f"test={self.peer}", "--heartbeat-interval", "10", "--election-timeout", "100"),
            *flags,
        ]
        if scheme == "https":
            (metrics,) = free_ports(1)
            self.flags += ["--listen-metrics-urls", f"http://127.0.0.1:{metrics}"]
            self._health = f"http://127.0.0.1:{metrics}/health"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> EtcdServer:
        path = program()
        environment = {**os.environ, "ETCD_UNSUPPORTED_ARCH": os.uname().machine}
        environment.pop("ETCD", None)
        with open(self.folder.parent / f"{self.folder.name}.log", "ab") as log:
            self._process = subprocess.Popen([path, *self.flags], stdout=log, stderr=log, env=environment)
        self._wait()
        return self

    def _wait(self) -> None:
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self._process.poll() is None, f"etcd ended at its start, see {self.folder.name}.log"
            try:
                with urllib.request.urlopen(self._health, timeout=1) as answer:
                    if b'"true"' in answer.read():
                        return
            except OSError:
                pass
            time.sleep(0.02)
        pytest.fail(f"etcd did not become healthy in {START_SECONDS:.0f} s, see {self.folder.name}.log")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: int) -> None:
        """Send a signal: SIGSTOP makes it silent."""
        assert self._process is not None
        self._process.send_signal(number)


def members(folder: Path, count: int) -> list[EtcdServer]:
    """The members of one cluster. None answers before most are started."""
    made = {f"member-{number}": EtcdServer(folder / f"member-{number}") for number in range(count)}
    cluster = ",".join(f"{name}={server.peer}" for name, server in made.items())
    for name, server in made.items():
        server.flags += ["--name", name, "--initial-cluster", cluster, "--heartbeat-interval", "50", "--election-timeout", "500"]
    return list(made.values())


async def until_connection_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    """Return when a store has seen that its etcd was killed: a write that is asked before may have been sent, and then fails."""
    for _ in range(3000):
        if "the watch of etcd ended" in caplog.text:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the store does not see that etcd has gone")


class EtcdServers:
    """The servers of one test, by folder; all are ended with it."""

    def __init__(self) -> None:
        self._servers: dict[Path, EtcdServer] = {}

    def at(self, folder: Path, flags: Sequence[str] = ()) -> EtcdServer:
        """The server of a folder, which is started when it does not run."""
        if folder not in self._servers:
            self._servers[folder] = EtcdServer(folder, *flags).start()
        return self._servers[folder]

    def close(self) -> None:
        for server in self._servers.values():
            server.kill()
