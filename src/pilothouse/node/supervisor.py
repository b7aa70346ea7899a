"""Keeps the private containerd running.

- One that runs already (its keeper died) is adopted: its containers and its streams are not disturbed.
- Its end is told by the kernel (pidfd), not polled; it is started again, after a back-off that doubles up to a minute.
- It outlives its keeper; `pilothouse down` ends it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from pathlib import Path

from pilothouse.kit.clock import Clock
from pilothouse.node import cni, containerd, images, linux, processes
from pilothouse.node.containerd import NAMESPACE, ContainerdPaths

log = logging.getLogger(__name__)

ANSWER_SECONDS = 20.0
LOOK_SECONDS = 0.005
"""Between two looks whether a containerd that was just started answers; only then is looked."""
FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 60.0
STEADY_SECONDS = 30.0
"""Having run this long it starts again without back-off."""


class ContainerdFailure(Exception):
    """It does not start; the message says where its log is."""


class Supervisor:
    """Supervisor of one containerd. Call `start()` first, then `run()`."""

    def __init__(self, paths: ContainerdPaths, pid_file: Path, log_file: Path, clock: Clock, *, pod_cidr: str, mtu: int) -> None:
        self.paths = paths
        self._pid_file = pid_file
        self._log_file = log_file
        self._clock = clock
        self._pod_cidr = pod_cidr
        self._mtu = mtu
        self._process: processes.Process | None = None

    def spawn_or_adopt(self) -> None:
        """Start or adopt it, without waiting until it answers."""
        self._process = processes.read(self._pid_file)
        if self._process is None:
            self.write_configuration()
            self.paths.run.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._process = processes.spawn(["containerd", "-c", str(self.paths.configuration)], self._log_file)
            processes.write_pid_file(self._pid_file, self._process)

    async def start(self) -> None:
        """Start or adopt it; return when it answers."""
        if self._process is None or not self._process.alive():
            self.spawn_or_adopt()
        assert self._process is not None
        since = self._clock.monotonic()
        while not answers(self.paths.socket):
            if not self._process.alive() or self._clock.monotonic() - since > ANSWER_SECONDS:
                raise ContainerdFailure(f"containerd does not start; its log: {self._log_file}")
            await self._clock.sleep(LOOK_SECONDS)

    async def run(self) -> None:
        """Start it again whenever it ends, until cancelled."""
        back_off = FIRST_BACK_OFF_SECONDS
        while True:
            assert self._process is not None
            since = self._clock.monotonic()
            await processes.ended(self._process)
            processes.reap(self._process)
            log.warning("containerd ended: starting it again")
            if self._clock.monotonic() - since < STEADY_SECONDS:
                await self._clock.sleep(back_off)
                back_off = min(back_off * 2, LONGEST_BACK_OFF_SECONDS)
            else:
                back_off = FIRST_BACK_OFF_SECONDS
            try:
                await self.start()
            except ContainerdFailure as failure:
                log.error("%s", failure)

    def write_configuration(self) -> None:
        """config.toml and the CNI configuration: of this version of Pilothouse, whatever was there."""
        text = containerd.configuration(
            self.paths,
            runtime=containerd.find_runtime(),
            cni_binaries=cni.folder_of("bridge"),
            restrict_oom_score=not may_lower_oom_score(),
        )
        self.paths.cni_configuration.parent.mkdir(parents=True, exist_ok=True)
        self.paths.configuration.write_text(text)
        self.paths.cni_configuration.write_text(cni.configuration(self._pod_cidr, str(self.paths.cni_leases), self._mtu))


def answers(path: Path) -> bool:
    """Whether something accepts connections on this Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def may_lower_oom_score() -> bool:
    """CAP_SYS_RESOURCE: without it containerd must be told to leave the OOM score alone where it would go down."""
    return linux.has_capability("CAP_SYS_RESOURCE")


async def import_local_images(paths: ContainerdPaths, folder: Path) -> None:
    """Make the local images and bring them in, unless containerd has them in this version.

    What says so lies where containerd keeps them: whoever removes the one removes the other.
    """
    marker = paths.images / "pilothouse.version"
    if marker.is_file() and marker.read_text() == images.version():
        return
    archive = await asyncio.to_thread(_write_archive, folder)
    command = ("ctr", "--address", str(paths.socket), "--namespace", NAMESPACE, "images", "import", archive)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    output, _ = await process.communicate()
    os.unlink(archive)
    if process.returncode:
        raise ContainerdFailure(f"the local images cannot be imported: {output.decode(errors='replace').strip()}")
    marker.write_text(images.version())


def _write_archive(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "local.tar"
    path.write_bytes(images.local_images())
    return str(path)
