"""Image garbage collection: removes unused images when disk usage is high (85 %) until it is low (80 %), least recently used first.

- An image that a container was made from is in use, however dead the container is; so is every pinned one.
- Images younger than two minutes stay: something may be about to start.
- A high mark of 100 % means: never take any, as upstream has it.
- What was made on this machine (no registry has it) is never taken: it could not come back.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pilothouse.kit.clock import Clock
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import DiskUsage, Host
from pilothouse.kubelet.runtime.images import Image
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure

log = logging.getLogger(__name__)
Tell = Callable[[str, str, str], None]


@dataclass(slots=True)
class Record:
    """When an image was first seen and last seen in use; seconds since the epoch."""

    first_seen: float
    last_used: float = 0.0


def to_free(disk: DiskUsage, high_percent: int, low_percent: int) -> int:
    """Bytes to free; 0 below the high threshold. Pure."""
    if disk.capacity <= 0 or 100 - 100 * disk.available / disk.capacity < high_percent:
        return 0
    return max(disk.capacity * (100 - low_percent) // 100 - disk.available, 0)


def choose(
    images: Iterable[Image], records: dict[str, Record], used: set[str], amount: int, now: float, config: KubeletConfig
) -> list[Image]:
    """Images to remove to free `amount` bytes, in order. Pure."""
    candidates = [
        image
        for image in images
        if image.id not in used
        and not image.pinned
        and now - records[image.id].first_seen >= config.image_minimum_gc_age_seconds
        and not any(tag.startswith(config.kept_image_prefixes) for tag in image.tags)
    ]
    chosen, freed = [], 0
    for image in sorted(candidates, key=lambda candidate: (records[candidate.id].last_used, records[candidate.id].first_seen)):
        if freed >= amount:
            break
        chosen.append(image)
        freed += image.size
    return chosen


class ImageCollector:
    """Removes unused images when the disk fills up (upstream's image GC manager)."""

    def __init__(self, runtime: Runtime, host: Host, clock: Clock, config: KubeletConfig, tell: Tell, changed: Callable[[], None]) -> None:
        self._runtime = runtime
        self._host = host
        self._clock = clock
        self._config = config
        self._tell = tell
        self._changed = changed
        self._records: dict[str, Record] = {}

    async def run(self) -> None:
        """Collect images at every period until cancelled."""
        while True:
            await self._clock.sleep(self._config.image_gc_period_seconds)
            try:
                await self.collect()
            except (RuntimeFailure, OSError) as error:
                log.warning("images are not collected", extra={"error": str(error)})

    async def collect(self, *, everything: bool = False) -> int:
        """One collection. Returns the bytes that were freed. `everything` removes all unused images, as before evicting Pods."""
        if self._config.image_gc_high_percent >= 100 and not everything:
            return 0
        now = self._clock.now().timestamp()
        images = list(await self._runtime.list_images())
        used = await self._in_use(images, now)
        filesystems = await self._runtime.image_filesystem()
        disk = await self._host.disk(filesystems[0].mountpoint if filesystems else self._config.root_dir)
        wanted = to_free(disk, self._config.image_gc_high_percent, self._config.image_gc_low_percent)
        amount = sys.maxsize if everything else wanted
        if amount <= 0:
            return 0
        freed = 0
        for image in choose(images, self._records, used, amount, now, self._config):
            await self._runtime.remove_image(image.id)
            self._records.pop(image.id, None)
            freed += image.size
        if freed:
            self._changed()
        if freed < amount and not everything:
            message = (
                f"Failed to garbage collect required amount of images. Attempted to free {amount} bytes, "
                f"but only found {freed} bytes eligible to free."
            )
            self._tell("Warning", "FreeDiskSpaceFailed", message)
        return freed

    async def _in_use(self, images: list[Image], now: float) -> set[str]:
        """Ids of the images in use; brings the records up to date."""
        names = {name for container in await self._runtime.list_containers() for name in (container.image, container.image_id)}
        used = {image.id for image in images if names & {image.id, *image.tags, *image.digests}}
        for image in images:
            record = self._records.setdefault(image.id, Record(now))
            if image.id in used:
                record.last_used = now
        known = {image.id for image in images}
        self._records = {identifier: record for identifier, record in self._records.items() if identifier in known}
        return used
