"""Eviction manager: checks signals every 10 s, reports pressure, and evicts one Pod at a time.

- Disk is freed by collecting images before any pod has to go.
- After an eviction the next look comes when that pod is gone, at the latest after 30 s.
- Pods that exceed limits of their own (sizeLimit of an emptyDir, ephemeral-storage) go whether the node is short or not.

What is short and who goes first: signals.py and ranking.py. The same as upstream's eviction manager, in its order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from pilothouse.kit.clock import Clock
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.eviction import limits
from pilothouse.kubelet.eviction.ranking import Usage, message, ranked
from pilothouse.kubelet.eviction.signals import INODES, STORAGE, Pressure, Signal, Threshold, signals, thresholds, unresolved
from pilothouse.kubelet.eviction.usage import FILES, LAYERS, PodUsage
from pilothouse.kubelet.host.port import DiskUsage, Host, Load
from pilothouse.kubelet.images.collector import ImageCollector, Tell
from pilothouse.kubelet.pods.observed import Ending
from pilothouse.kubelet.pods.spec import grace_seconds
from pilothouse.kubelet.pods.worker import PodWorker
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure

log = logging.getLogger(__name__)
EVICTED = "Evicted"
GRACE_SECONDS = 1
"""Of what is evicted by a hard threshold or by a limit of its own."""
CLEAN_UP_SECONDS, CLEAN_UP_LOOK_SECONDS = 30.0, 1.0


class EvictionManager:
    """Upstream's eviction manager: checks signals, reports pressure, evicts one pod at a time.

    `pressures` is told the conditions that hold whenever they change; `tell` makes events of the node.
    """

    def __init__(
        self,
        runtime: Runtime,
        host: Host,
        clock: Clock,
        config: KubeletConfig,
        usage: PodUsage,
        collector: ImageCollector,
        workers: Callable[[], Iterable[PodWorker]],
        pressures: Callable[[set[str]], None],
        tell: Tell,
    ) -> None:
        self._runtime = runtime
        self._host = host
        self._clock = clock
        self._config = config
        self._usage = usage
        self._collector = collector
        self._workers = workers
        self._pressures = pressures
        self._tell_of_node = tell
        self._thresholds = thresholds(config)
        self._pressure = Pressure(config.eviction_pressure_transition_seconds)
        self._image_root = ""
        self._seen: tuple[tuple[Load, int, DiskUsage, DiskUsage], dict[str, Signal]] | None = None
        """What the last look found, and the signals of that."""

    async def run(self) -> None:
        """Check signals and limits at every period until cancelled. Upstream: eviction manager's synchronize."""
        while True:
            await self._clock.sleep(self._config.eviction_period_seconds)
            try:
                await self._until_cleaned_up(await self.synchronize())
            except (RuntimeFailure, OSError) as error:
                log.warning("the node's resources are not known", extra={"error": str(error)})

    async def synchronize(self) -> list[PodWorker]:
        """One check. Returns the Pods that were evicted."""
        observations, now = await self._signals(), self._clock.monotonic()
        acting = self._pressure.observe(self._thresholds, observations, now)
        self._pressures(self._pressure.conditions(now))
        evicted = await self._enforce_limits()
        if evicted or not acting:
            return evicted
        first = acting[0]
        self._tell_of_node("Warning", "EvictionThresholdMet", f"Attempting to reclaim {first.resource}")
        if first.resource in {STORAGE, INODES} and await self._freed_images(first):
            return []
        return await self._evict(first, acting, observations)

    async def _signals(self) -> dict[str, Signal]:
        node = await self._host.disk(self._config.root_dir)
        images = await self._host.disk(self._image_root) if await self._knows_image_root() else node
        seen = self._host.load(), self._host.machine().memory, node, images
        if self._seen is None or self._seen[0] != seen:  # a simulated host seldom changes, and is looked at as often
            self._seen = seen, signals(*seen)
        return self._seen[1]

    async def _knows_image_root(self) -> bool:
        if not self._image_root:
            filesystems = await self._runtime.image_filesystem()
            self._image_root = filesystems[0].mountpoint if filesystems else self._config.root_dir
        return bool(self._image_root)

    async def _has_image_filesystem(self) -> bool:
        """Whether images lie on another filesystem than the kubelet's files."""
        return (await self._host.disk(self._image_root)).device != (await self._host.disk(self._config.root_dir)).device

    async def _freed_images(self, threshold: Threshold) -> bool:
        """Whether taking away what nobody uses was enough. Where images have a filesystem of their own that helps only there."""
        if threshold.signal.startswith("nodefs") and await self._has_image_filesystem():
            return False
        await self._collector.collect(everything=True)
        return not unresolved(self._thresholds, await self._signals())

    async def _evict(self, threshold: Threshold, acting: list[Threshold], observations: dict[str, Signal]) -> list[PodWorker]:
        workers = {worker.uid: worker for worker in self._workers() if worker.state.ending is None}
        parts = [LAYERS, FILES]
        if threshold.resource in {STORAGE, INODES} and await self._has_image_filesystem():
            parts = [FILES] if threshold.signal.startswith("nodefs") else [LAYERS]
        pods = [worker.pod for worker in workers.values()]
        usage = await self._usage.of(threshold.resource, pods, parts)
        for pod in ranked(pods, usage, threshold.resource):
            worker = workers[pod.metadata.uid]
            if worker.state.ending is None:
                text = message(pod, usage.get(worker.uid, Usage()), threshold.resource, acting, observations)
                self._end(worker, text, self._grace_seconds(worker, threshold), disruption=True)
                return [worker]
        return []

    def _grace_seconds(self, worker: PodWorker, threshold: Threshold) -> int:
        if threshold.hard:
            return GRACE_SECONDS
        return min(self._config.eviction_max_pod_grace_seconds, grace_seconds(worker.pod))

    def _end(self, worker: PodWorker, text: str, grace: int, *, disruption: bool) -> None:
        worker.pod_runtime.record_event("Warning", EVICTED, text)
        worker.end(Ending(max(grace, GRACE_SECONDS), phase="Failed", reason=EVICTED, message=text, disruption=disruption))

    async def _until_cleaned_up(self, evicted: list[PodWorker]) -> None:
        """Until nothing runs of what was evicted: before, what it used is not free yet."""
        until = self._clock.monotonic() + CLEAN_UP_SECONDS
        while self._clock.monotonic() < until and not all(worker.state.released for worker in evicted):
            await self._clock.sleep(CLEAN_UP_LOOK_SECONDS)

    async def _enforce_limits(self) -> list[PodWorker]:
        workers = [worker for worker in self._workers() if worker.state.ending is None and worker.state.prepared]
        layers: dict[str, Usage] = {}
        if any(limits.is_limited(worker.pod) for worker in workers):
            layers = await self._usage.layers()
        evicted = []
        for worker in workers:
            volumes = [volume.name for volume in limits.measured_volumes(worker.pod)]
            disk = await self._usage.disk(worker.pod, layers.get(worker.uid, Usage()), volumes, logs=limits.is_limited(worker.pod))
            text = limits.exceeded(worker.pod, disk)
            if text and worker.state.ending is None:
                self._end(worker, text, GRACE_SECONDS, disruption=False)
                evicted.append(worker)
        return evicted
