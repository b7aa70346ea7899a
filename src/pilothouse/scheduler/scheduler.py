"""kube-scheduler: schedules every Pod that has no node.

- One Pod at a time is decided upon, on a snapshot that already holds all earlier decisions; binding goes on beside.
- A Pod that fits nowhere gets upstream's FailedScheduling event and PodScheduled condition, and sleeps until something may help it.
- Idle, it sleeps: informers wake it, and one timer while Pods wait.
- The same objects, in the same order, and the same entropy give the same decisions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from pilothouse.api.types.core_v1 import Node, Pod
from pilothouse.client.client import Client
from pilothouse.client.events import EventRecorder
from pilothouse.client.informers import Informers
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.errors import StatusError
from pilothouse.scheduler.cluster import FINISHED, ClusterState
from pilothouse.scheduler.conditions import NOT_NOMINATED, Outcome, patch_of
from pilothouse.scheduler.facts import PodFacts, facts_of
from pilothouse.scheduler.framework.diagnosis import NO_NODES, Diagnosis, truncated
from pilothouse.scheduler.framework.interfaces import PostFilterResult
from pilothouse.scheduler.framework.runtime import Framework, running
from pilothouse.scheduler.profile import ALSO_READ, VOLUME_KINDS, default_profile
from pilothouse.scheduler.queue import QueuedPod, SchedulingQueue
from pilothouse.scheduler.victims import Evictor

log = logging.getLogger(__name__)
DEFAULT_SCHEDULER = "default-scheduler"
BINDINGS_LIMIT = 128
"""Bindings and status patches that may be under way at once; scheduling waits when there are more."""
PRE_BIND_WAIT_SECONDS = 600.0
"""How long a binding waits for volumes, as upstream's."""
Profile = Callable[[Client, Informers], Sequence[tuple[Any, int]]]


class Scheduler:
    """Scheduler of one process. `informers`, if given, are shared and run by the caller."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        entropy: Entropy,
        *,
        scheduler_name: str = DEFAULT_SCHEDULER,
        informers: Informers | None = None,
        profile: Profile = default_profile,
    ) -> None:
        self._client = client
        self._clock = clock
        self._name = scheduler_name
        self._own_informers = informers is None
        self._informers = informers or Informers(client, clock, entropy)
        self._events = EventRecorder(client, scheduler_name, clock, entropy)
        self._framework = Framework(profile(client, self._informers), entropy)
        self.queue = SchedulingQueue(
            clock,
            self._framework.queue_sort.sort_key,
            self._framework.run_pre_enqueue_plugins,
            [(plugin.name, plugin.woken_by) for plugin in self._framework.plugins],
        )
        self.cluster = ClusterState(clock, self.queue.move_on_event)
        self._evictor = Evictor(client, clock, self._events, scheduler_name)
        self._slots = asyncio.Semaphore(BINDINGS_LIMIT)
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Schedule Pods until cancelled."""
        nodes, pods = self._informers.of(Node), self._informers.of(Pod)
        nodes.subscribe(lambda _, old, new: self.cluster.node_event(old, new))
        for kind in VOLUME_KINDS:
            self._informers.of(kind).subscribe(partial(self._volume_event, kind.__name__))
        async with asyncio.TaskGroup() as self._group:
            if self._own_informers:
                self._group.create_task(self._informers.run(), name="informers")
            self._group.create_task(self._events.run(), name="events")
            self._group.create_task(self.queue.run(), name="queue")
            await nodes.synced.wait()
            pods.subscribe(self._pod_event)
            for informer in (pods, *(self._informers.of(kind) for kind in ALSO_READ)):
                await informer.synced.wait()
            await self._schedule()

    async def _schedule(self) -> None:
        while True:
            entry = await self.queue.pop()
            self.cluster.drop_expired()
            await self._slots.acquire()
            work = self._decided(entry) if entry.place == "taken" else None
            if work is None:
                self._slots.release()
            else:
                self._start(work)
            await self._clock.sleep(0)  # let bindings go out and events come in

    # What the informer tells

    def _volume_event(self, kind: str, _: str, old: Any, new: Any) -> None:
        self.queue.move_on_event(kind, "Any", old, new)

    def _pod_event(self, _: str, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and old.metadata.uid != new.metadata.uid:
            self._pod_event("DELETED", old, None)
            old = None
        if new is None:
            assert old is not None
            self._leaves_queue(old)
            self.cluster.released(old)
        elif new.status.phase in FINISHED:
            self._leaves_queue(new)
            self.cluster.released(new)
        elif new.spec.nodeName:
            self._leaves_queue(new)
            self.cluster.assigned(new)
        elif self._is_ours(new):
            self._pod_waits(old, new)

    def _leaves_queue(self, pod: Pod) -> None:
        self.queue.remove(pod.metadata.uid)
        self._end_nomination(pod)

    def _end_nomination(self, pod: Pod) -> None:
        """The room that was kept for a Pod is free for others."""
        if self.cluster.end_nomination(pod.metadata.uid):
            self.queue.move_on_event("Pod", "Delete", pod, None)

    def _is_ours(self, pod: Pod) -> bool:
        return (pod.spec.schedulerName or DEFAULT_SCHEDULER) == self._name

    def _pod_waits(self, old: Pod | None, new: Pod) -> None:
        uid = new.metadata.uid
        if new.metadata.deletionTimestamp:
            self._leaves_queue(new)
        elif self.cluster.is_on_node(uid):
            self.queue.update(facts_of(new), changed=False)  # assumed: its binding is under way
        elif not self.queue.place_of(uid):
            facts = facts_of(new)
            if new.status.nominatedNodeName:
                self.cluster.nodes.nominate(facts, new.status.nominatedNodeName)
            self._report_gated(new, self.queue.add(facts))
        elif old is not None:
            changed = old.spec != new.spec or old.metadata.labels != new.metadata.labels
            self._report_gated(new, self.queue.update(facts_of(new), changed))

    def _report_gated(self, pod: Pod, reason: str) -> None:
        """The API server sets the condition when it creates a gated Pod; this is for one that did not."""
        outcome = Outcome("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
        patch = patch_of(pod, outcome, self._clock) if reason else None
        if patch is not None and self._group is not None:
            self._group.create_task(self._patch(pod, patch))

    # One Pod

    def _decided(self, entry: QueuedPod) -> Coroutine[Any, Any, None]:
        """A Pod that a plugin cannot judge must not keep all others from being scheduled."""
        try:
            return self._decide(entry)
        except Exception as error:
            log.exception("a pod could not be scheduled", extra={"pod": entry.facts.key})
            self.cluster.forget(entry.facts)
            self.queue.fail(entry)
            return self._report_failure(entry.facts, str(error), Outcome("SchedulerError", str(error)))

    def _decide(self, entry: QueuedPod) -> Coroutine[Any, Any, None]:
        """Choose a node, take note of the choice, and give what is left to do: binding, or telling why not."""
        pod, nodes = entry.facts, self.cluster.nodes
        if nodes.total == 0:
            self.queue.sleep(entry, {plugin.name for plugin in self._framework.plugins})
            return self._report_failure(pod, NO_NODES, Outcome("Unschedulable", NO_NODES))
        choice = self._framework.choose(pod, nodes)
        if choice.diagnosis is None:
            self.cluster.assume(pod, choice.node)
            self._framework.reserve(pod, choice.node)
            return self._bind(entry, choice.node)
        return self._nowhere(entry, choice.diagnosis)

    def _nowhere(self, entry: QueuedPod, diagnosis: Diagnosis) -> Coroutine[Any, Any, None]:
        pod, nodes = entry.facts, self.cluster.nodes
        result = self._framework.post_filter(pod, nodes, diagnosis)
        diagnosis.post_filter = result.message
        outcome = Outcome("Unschedulable", diagnosis.message(), result.nominated)
        lesser = self.cluster.supersede(pod, result.nominated) if result.nominated else []
        if result.nominated == "":
            self._end_nomination(pod.pod)
        self.queue.sleep(entry, diagnosis.rejected_by)
        return self._preempt(entry, result, outcome, lesser)

    async def _preempt(self, entry: QueuedPod, result: PostFilterResult, outcome: Outcome, lesser: Sequence[PodFacts]) -> None:
        """Clear the nominated node, if there is one, and tell why the Pod has none yet."""
        pod, message = entry.facts, outcome.message
        for nominated in lesser:
            await self._patch(nominated.pod, NOT_NOMINATED)
        for victim in result.victims:
            try:
                await self._evictor.evict(victim, pod, result.nominated or "")
            except (StatusError, ConnectionError) as error:
                message = f"{message} preemption: {error}"
                self.queue.again(entry)
                break
        await self._report_failure(pod, message, outcome)

    async def _bind(self, entry: QueuedPod, node_name: str) -> None:
        pod = entry.facts
        refused = await self._framework.prepare(pod, node_name) or await self._wait_pre_bound(pod, node_name)
        refused = refused or await self._framework.bind(pod, node_name)
        if refused:
            self._framework.unreserve(pod, node_name)
            self.cluster.forget(pod)
            self.queue.fail(entry)
            if self.queue.place_of(pod.uid):  # a Pod that was deleted meanwhile is not told of
                await self._report_failure(pod, refused, Outcome("SchedulerError", refused))
            return
        self.cluster.bound(pod)
        self.queue.remove(pod.uid)
        self._events.event(pod.pod, "Normal", "Scheduled", f"Successfully assigned {pod.key} to {node_name}")

    async def _wait_pre_bound(self, pod: PodFacts, node_name: str) -> str:
        """Wait, without keeping others from being bound, for what others have to do before this Pod can be; why it cannot."""
        plugin = self._framework.waits_for(pod, node_name)
        if not plugin:
            return ""
        self._slots.release()
        try:
            return await wait_for(self._clock, self._framework.wait_pre_bound(pod, node_name), PRE_BIND_WAIT_SECONDS)
        except TimeoutError:
            return running("PreBind", plugin, "binding volumes: context deadline exceeded")
        finally:
            await self._slots.acquire()

    # Telling

    async def _report_failure(self, pod: PodFacts, message: str, outcome: Outcome) -> None:
        self._events.event(pod.pod, "Warning", "FailedScheduling", truncated(message))
        patch = patch_of(pod.pod, outcome, self._clock)
        if patch is not None:
            await self._patch(pod.pod, patch)

    async def _patch(self, pod: Pod, patch: bytes) -> None:
        try:
            await self._client.patch(
                Pod,
                pod.metadata.name,
                pod.metadata.namespace,
                patch,
                patch_type="application/strategic-merge-patch+json",
                subresource="status",
            )
        except (StatusError, ConnectionError):
            return  # the event has told it; the next attempt tells it again

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None
        task = self._group.create_task(work)
        task.add_done_callback(lambda _: self._slots.release())
