"""Keeps container logs from filling the disk: at 10 MiB a log is turned over, and of each container five files are kept.

The runtime writes the logs; it is told to open its file again after the old one was renamed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from pilothouse.kit.clock import Clock
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.pods.observed import Run
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure

log = logging.getLogger(__name__)
LARGEST_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5


class LogRotation:
    """`runs` are the runs of this node that write; they are looked at every `seconds`."""

    def __init__(self, runtime: Runtime, host: Host, clock: Clock, runs: Callable[[], Iterable[Run]], seconds: float) -> None:
        self._runtime = runtime
        self._host = host
        self._clock = clock
        self._runs = runs
        self._seconds = seconds

    async def run(self) -> None:
        while True:
            await self._clock.sleep(self._seconds)
            for run in [*self._runs()]:
                try:
                    await self._look(run)
                except (RuntimeFailure, OSError) as error:
                    log.warning("a log is not rotated", extra={"container": run.name, "error": str(error)})

    async def _look(self, run: Run) -> None:
        if not run.log_path or await self._host.size(run.log_path) < LARGEST_BYTES:
            return
        stamp = self._clock.now().strftime("%Y%m%d-%H%M%S")
        await self._host.rename(run.log_path, f"{run.log_path}.{stamp}")
        await self._runtime.reopen_container_log(run.id)
        for old in turned_over(run.log_path, await self._host.list_directory(run.log_path.rpartition("/")[0])):
            await self._host.remove_tree(old)


def turned_over(path: str, names: Iterable[str]) -> list[str]:
    """Of the files beside a log those that are too old to keep. Pure."""
    folder, _, name = path.rpartition("/")
    old = sorted(one for one in names if one.startswith(f"{name}."))
    return [f"{folder}/{one}" for one in old[: max(len(old) - (FILES_KEPT - 1), 0)]]
