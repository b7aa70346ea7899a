"""Log rotation: at 10 MiB a container log is rotated; five files are kept for each container, old ones compressed.

The runtime writes the logs; it is told to open its file again after the old one was renamed. Sizes, counts and names are upstream's
(containerLogMaxSize, containerLogMaxFiles). A container that floods its log is looked at more often.
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
FLOOD_FACTOR, FLOOD_SECONDS = 2, 1.0
"""A log so many times too large at one look: how soon the next look comes."""
COMPRESSED, UNFINISHED = ".gz", ".tmp"


class LogRotation:
    """Rotates container logs. `runs` gives the running containers; they are checked every `seconds`."""

    def __init__(self, runtime: Runtime, host: Host, clock: Clock, runs: Callable[[], Iterable[Run]], seconds: float) -> None:
        self._runtime = runtime
        self._host = host
        self._clock = clock
        self._runs = runs
        self._seconds = seconds

    async def run(self) -> None:
        """Check the logs at every period until cancelled; sooner while one grows fast."""
        pause = self._seconds
        while True:
            await self._clock.sleep(pause)
            largest = 0
            for run in [*self._runs()]:
                try:
                    largest = max(largest, await self._look(run))
                except (RuntimeFailure, OSError) as error:
                    log.warning("a log is not rotated", extra={"container": run.name, "error": str(error)})
            pause = min(FLOOD_SECONDS, self._seconds) if largest > FLOOD_FACTOR * LARGEST_BYTES else self._seconds

    async def _look(self, run: Run) -> int:
        """The size that the log had; rotate it when that is too much."""
        size = await self._host.size(run.log_path) if run.log_path else 0
        if size >= LARGEST_BYTES:
            await self._make_room(run.log_path)
            await self._rotate(run)
        return size

    async def _make_room(self, path: str) -> None:
        """Take away what would be too many files after one more rotation, and compress the others."""
        names = await self._host.list_directory(path.rpartition("/")[0])
        for old in too_old(path, names):
            await self._host.remove_tree(old)
        for old in rotated(path, names)[-(FILES_KEPT - 2) :]:
            if not old.endswith(COMPRESSED):
                await self._host.compress(old, old + COMPRESSED)

    async def _rotate(self, run: Run) -> None:
        name = f"{run.log_path}.{self._clock.now().strftime('%Y%m%d-%H%M%S')}"
        await self._host.rename(run.log_path, name)
        try:
            await self._runtime.reopen_container_log(run.id)
        except RuntimeFailure:
            await self._host.rename(name, run.log_path)  # or the container would write on into a file that counts as old
            raise


def rotated(path: str, names: Iterable[str]) -> list[str]:
    """Rotated files of a log in the names of its directory, oldest first. Pure."""
    folder, _, name = path.rpartition("/")
    return sorted(f"{folder}/{other}" for other in names if other.startswith(f"{name}.") and not other.endswith(UNFINISHED))


def too_old(path: str, names: Iterable[str]) -> list[str]:
    """Rotated files to remove before the next rotation, so that FILES_KEPT remain with the log and its successor. Pure."""
    listed = [*names]
    folder, _, name = path.rpartition("/")
    unfinished = [f"{folder}/{other}" for other in listed if other.startswith(f"{name}.") and other.endswith(UNFINISHED)]
    return [*unfinished, *rotated(path, listed)[: -(FILES_KEPT - 2)]]
