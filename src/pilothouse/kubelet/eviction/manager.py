"""Looks every 10 s how the node does; tells pressure to the node's status and ends one pod a turn while something is short.

- Disk is freed by collecting images before any pod has to go.
- A condition stays for five minutes after its cause, so that the scheduler is not played with.
- Pods that exceed limits of their own (sizeLimit of an emptyDir, ephemeral-storage) go whether the node is short or not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.eviction import limits
from pilothouse.kubelet.eviction.limits import Disk
from pilothouse.kubelet.eviction.ranking import Usage, message, ranked
from pilothouse.kubelet.eviction.signals import Shortage, shortages, signals
from pilothouse.kubelet.host.port import DiskUsage, Host, Load
from pilothouse.kubelet.images.collector import ImageCollector, Tell
from pilothouse.kubelet.mounts.manager import VolumeManager
from pilothouse.kubelet.paths import Paths
from pilothouse.kubelet.pods.identity import CONTAINER_NAME, POD_UID
from pilothouse.kubelet.pods.observed import Ending
from pilothouse.kubelet.pods.worker import PodWorker
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure

log = logging.getLogger(__name__)
EVICTED = "Evicted"
GRACE_SECONDS = 1
"""Of what is evicted by a hard threshold or by a limit of its own."""


class EvictionManager:
    """See the module. `pressures` is told the conditions that hold whenever they change; `tell` makes events of the node."""

    def __init__(
        self,
        runtime: Runtime,
        host: Host,
        clock: Clock,
        config: KubeletConfig,
        volumes: VolumeManager,
        collector: ImageCollector,
        workers: Callable[[], Iterable[PodWorker]],
        pressures: Callable[[set[str]], None],
        tell: Tell,
    ) -> None:
        self._runtime = runtime
        self._host = host
        self._clock = clock
        self._config = config
        self._volumes = volumes
        self._collector = collector
        self._workers = workers
        self._pressures = pressures
        self._tell_of_node = tell
        self._paths = Paths(config.root_dir, config.pod_log_dir)
        self._seen_at: dict[str, float] = {}
        self._judged: tuple[tuple[Load, int, DiskUsage], list[Shortage]] | None = None
        """What the last look found, and what was short by it."""

    async def run(self) -> None:
        while True:
            await self._clock.sleep(self._config.eviction_period_seconds)
            try:
                await self.look()
            except (RuntimeFailure, OSError) as error:
                log.warning("the node's resources are not known", extra={"error": str(error)})

    async def look(self) -> None:
        """One turn."""
        short = await self._shortages()
        self._tell(short)
        await self._enforce_limits()
        if not short:
            return
        self._tell_of_node("Warning", "EvictionThresholdMet", f"Attempting to reclaim {short[0].resource}")
        if short[0].resource != "memory" and await self._collector.collect(at_least=short[0].wanted - short[0].available):
            return
        await self._evict(short[0])

    async def _shortages(self) -> list[Shortage]:
        seen = self._host.load(), self._host.machine().memory, await self._host.disk(self._config.root_dir)
        if self._judged is None or self._judged[0] != seen:  # a simulated host seldom changes, and is looked at as often
            load, memory, disk = seen
            self._judged = seen, shortages(signals(load, memory, disk, disk), self._config.eviction_hard)
        return self._judged[1]

    def _tell(self, short: list[Shortage]) -> None:
        now = self._clock.monotonic()
        self._seen_at.update({one.condition: now for one in short})
        holds = {
            name for name, seen in self._seen_at.items() if now - seen < self._config.eviction_pressure_transition_seconds or seen == now
        }
        self._pressures(holds)

    async def _evict(self, shortage: Shortage) -> None:
        workers = {one.uid: one for one in self._workers() if one.state.ending is None}
        usage = await self._usage(shortage.resource, list(workers.values()))
        order = ranked([one.pod for one in workers.values()], usage, shortage.resource)
        if not order:
            return
        pod = order[0]
        text = message(pod, usage.get(pod.metadata.uid, Usage()), shortage.resource, shortage.available, shortage.wanted)
        self._end(workers[pod.metadata.uid], text, disruption=True)

    async def _usage(self, resource: str, workers: list[PodWorker]) -> dict[str, Usage]:
        """What each pod uses, by uid; of the disk its containers' writable layers and logs, and its emptyDirs."""
        found = await self._by_container(resource)
        if resource != limits.STORAGE:
            return found
        whole = {}
        for one in workers:
            volumes = [volume.name for volume in limits.volumes_on_disk(one.pod)]
            disk = await self._disk(one.pod, found.get(one.uid, Usage()), volumes, logs=True)
            whole[one.uid] = Usage(disk.containers, sum(disk.volumes.values()))
        return whole

    async def _by_container(self, resource: str) -> dict[str, Usage]:
        found: dict[str, Usage] = {}
        for one in await self._runtime.list_container_stats():
            labels = one.container.labels
            used = one.memory_working_set if resource == "memory" else one.filesystem_used
            found.setdefault(labels.get(POD_UID, ""), Usage()).containers[labels.get(CONTAINER_NAME, "")] = used
        return found

    def _end(self, worker: PodWorker, text: str, *, disruption: bool) -> None:
        worker.executor.tell("Warning", EVICTED, text)
        worker.end(Ending(GRACE_SECONDS, phase="Failed", reason=EVICTED, message=text, disruption=disruption))

    async def _enforce_limits(self) -> None:
        workers = [one for one in self._workers() if one.state.ending is None and one.state.prepared]
        layers: dict[str, Usage] = {}
        if any(limits.is_limited(one.pod) for one in workers):
            layers = await self._by_container(limits.STORAGE)
        for worker in workers:
            volumes = [volume.name for volume in limits.measured_volumes(worker.pod)]
            disk = await self._disk(worker.pod, layers.get(worker.uid, Usage()), volumes, logs=limits.is_limited(worker.pod))
            text = limits.exceeded(worker.pod, disk)
            if text:
                self._end(worker, text, disruption=False)

    async def _disk(self, pod: Pod, layers: Usage, volumes: Iterable[str], *, logs: bool) -> Disk:
        found = Disk()
        for name in volumes:
            path = self._volumes.path(pod, name)
            found.volumes[name] = await self._host.tree_size(path) if path is not None else 0
        for container in pod.spec.containers if logs else ():
            folder = f"{self._paths.pod_logs(pod)}/{container.name}"
            found.containers[container.name] = layers.containers.get(container.name, 0) + await self._host.tree_size(folder)
        return found
