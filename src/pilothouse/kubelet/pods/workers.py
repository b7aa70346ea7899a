"""Pod workers of the node, by uid; routes events to them.

- A pod is known by its uid: one that is deleted and made again under its name has a new worker, beside the old one's end.
- Events of the runtime find their worker by the ids that it claimed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.pods.allocation import PendingResize, place_in_queue, resources_differ
from pilothouse.kubelet.pods.node_services import NodeServices
from pilothouse.kubelet.pods.observed import REJECTED, Ending, PodSandbox, Run
from pilothouse.kubelet.pods.worker import PodWorker
from pilothouse.kubelet.runtime.port import EventType, RuntimeEvent

log = logging.getLogger(__name__)
AFTER_BUG_SECONDS = 10.0
TELLING = {EventType.CONTAINER_STOPPED, EventType.CONTAINER_OOM, EventType.CONTAINER_DELETED, EventType.SANDBOX_STOPPED}
"""Of what a worker did itself it knows already."""
Admit = Callable[[Pod, list[Pod]], Ending | None]
Grant = Callable[[Pod, list[Pod]], PendingResize | None]


class PodWorkers:
    """The workers of all pods of this node, by uid.

    `admit` judges a pod that is new to the node beside those that are there, `grant` one that wants other resources.
    """

    def __init__(self, shared: NodeServices, admit: Admit, grant: Grant) -> None:
        self._shared = shared
        self._admit = admit
        self._grant = grant
        self._workers: dict[str, PodWorker] = {}
        self._claims: dict[str, str] = {}
        self._group: asyncio.TaskGroup | None = None
        self.observers: list[Callable[[PodWorker], None]] = []
        self.gone: list[Callable[[str], None]] = []

    def __iter__(self) -> Iterator[PodWorker]:
        return iter([*self._workers.values()])

    async def run(self) -> None:
        """Run the workers of all pods until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for worker in self._workers.values():
                self._start(worker)
            await asyncio.Event().wait()

    def get(self, uid: str) -> PodWorker | None:
        """The worker of a pod by its uid, or None."""
        return self._workers.get(uid)

    def named(self, namespace: str, name: str) -> PodWorker | None:
        """The worker of the newest pod of that name."""
        named = [
            worker for worker in self._workers.values() if (worker.pod.metadata.namespace, worker.pod.metadata.name) == (namespace, name)
        ]
        return named[-1] if named else None

    def update(self, pod: Pod, sandboxes: list[PodSandbox] | None = None, runs: list[Run] | None = None) -> None:
        """Create or update the worker of a Pod, with the sandboxes and containers that exist for a new one."""
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None:
            self._offer(worker, pod)
            return
        uid = pod.metadata.uid
        worker = PodWorker(pod, self._shared, partial(self._claim, uid), self._observed)
        worker.adopt(sandboxes or [], runs or [])
        self._judge(worker, fresh=not sandboxes)
        if sandboxes:
            self._offer(worker, pod)
        self._workers[uid] = worker
        if self._group is not None:
            self._start(worker)

    def remove(self, pod: Pod) -> None:
        """The Pod was deleted from the API."""
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None:
            worker.removed()

    def handle_event(self, event: RuntimeEvent) -> None:
        """Pass an event of the runtime to the worker of its Pod."""
        if event.type is EventType.LOST:
            for worker in self._workers.values():
                for identifier in (*(run.id for run in worker.state.all_runs()), *(sandbox.id for sandbox in worker.state.sandboxes)):
                    worker.mark_stale(identifier)
        elif event.type in TELLING:
            self._notify_owner(event.container_id or event.sandbox_id)

    def mark_stale(self, uid: str, identifier: str) -> None:
        """A sandbox or container of this Pod differs from what its worker knows."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.mark_stale(identifier)

    def _notify_owner(self, identifier: str) -> None:
        worker = self._workers.get(self._claims.get(identifier, ""))
        if worker is not None:
            worker.mark_stale(identifier)

    def _judge(self, worker: PodWorker, *, fresh: bool) -> None:
        pod = worker.pod
        if pod.status.phase in {"Succeeded", "Failed"}:
            phase = pod.status.phase
            worker.end(Ending(1, phase=phase, reason=pod.status.reason, message=pod.status.message, untouched=fresh))
        elif fresh and not pod.metadata.deletionTimestamp:
            verdict = self._admit(pod, self._living())
            if verdict is not None:
                worker.pod_runtime.record_event("Warning", verdict.reason, verdict.message.removeprefix(REJECTED))
                worker.end(verdict)

    def _offer(self, worker: PodWorker, pod: Pod) -> None:
        """The pod as the API has it now; other resources only as far as there is room for them."""
        if not resources_differ(pod, worker.pod):
            worker.update(pod, None)
            return
        worker.update(pod, self._grant(pod, self._living()))
        self._offer_again()

    def _offer_again(self) -> None:
        """There may be room now for what was put off."""
        waiting = [worker for worker in self._workers.values() if worker.state.ending is None and worker.deferred]
        for worker in sorted(waiting, key=lambda worker: place_in_queue(worker.wanted)):
            refused = self._grant(worker.wanted, self._living())
            if refused != worker.state.pending_resize:
                worker.update(worker.wanted, refused)

    def _living(self) -> list[Pod]:
        """What has room and ports of the node: a pod that ends has them as long as a container of it may run."""
        return [worker.pod for worker in self._workers.values() if worker.occupies]

    def _claim(self, uid: str, identifier: str) -> None:
        self._claims[identifier] = uid

    def _observed(self, worker: PodWorker) -> None:
        if worker.state.ending is not None:
            self._offer_again()
        for observer in self.observers:
            observer(worker)

    def _start(self, worker: PodWorker) -> None:
        assert self._group is not None
        self._group.create_task(self._live(worker), name=f"pod {worker.pod.metadata.name}")

    async def _until_over(self, worker: PodWorker) -> None:
        """A bug that one pod brings to light must not take the node's other pods down: it is told, and the worker begins again."""
        while True:
            try:
                await worker.run()
                return
            except Exception:
                log.exception("a pod's worker failed", extra={"pod": worker.pod.metadata.name, "namespace": worker.pod.metadata.namespace})
                await self._shared.clock.sleep(AFTER_BUG_SECONDS)

    async def _live(self, worker: PodWorker) -> None:
        await self._until_over(worker)
        uid = worker.uid
        self._workers.pop(uid, None)
        self._claims = {identifier: owner for identifier, owner in self._claims.items() if owner != uid}
        self._shared.publisher.forget(uid)
        self._offer_again()
        for callback in self.gone:
            callback(uid)
