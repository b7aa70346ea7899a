"""Refreshes volumes whose content changes: at once when a source changes, and periodically for tokens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kubelet.mounts.manager import VolumeManager
from pilothouse.kubelet.mounts.port import VolumeError

log = logging.getLogger(__name__)
Current = Callable[[str], tuple[Pod, tuple[str, ...]] | None]
"""A pod by its uid as it is now, with its addresses; None when it ends or is gone."""


class VolumeRefresher:
    """Refreshes the volumes of Pods, with at most one refresh of a Pod waiting. Failures are logged, and tried again at the next period."""

    def __init__(self, volumes: VolumeManager, clock: Clock, current: Current, resync_seconds: float) -> None:
        self._volumes = volumes
        self._clock = clock
        self._current = current
        self._resync_seconds = resync_seconds
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()

    def changed(self, uid: str) -> None:
        """Note that a source of the Pod's volumes changed."""
        self._dirty.add(uid)
        self._wake.set()

    async def run(self) -> None:
        """Refresh volumes when their sources change, and all of them at every resync, until cancelled."""
        while True:
            self._wake.clear()
            try:
                await wait_for(self._clock, self._wake.wait(), self._resync_seconds)
            except TimeoutError:
                self._dirty = {pod.metadata.uid for pod in self._volumes.live_pods()}
            while self._dirty:
                await self._refresh(self._dirty.pop())

    async def _refresh(self, uid: str) -> None:
        current = self._current(uid)
        if current is None:
            return
        pod, ips = current
        try:
            await self._volumes.refresh(pod, ips)
        except (VolumeError, ConnectionError, TimeoutError) as error:
            log.warning("volumes are not refreshed", extra={"pod": pod.metadata.name, "error": str(error)})
