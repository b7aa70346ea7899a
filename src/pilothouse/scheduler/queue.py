"""Scheduling queue: Pods that wait for a node.

- Active Pods come out in the order of the profile's QueueSort; a Pod is never in the queue twice.
- A Pod that fitted nowhere sleeps until an event of a kind that its rejecting plugins declared (`woken_by`), at most five minutes.
- A woken Pod that failed a moment ago backs off, 1 s doubling to 10 s, but is taken early when nothing else is active.
- A Pod whose binding, or scheduling, failed backs off in full. A gated Pod waits until its gates are removed.
- Nothing is polled: the one timer sleeps until the next deadline, and not at all when there is none.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pilothouse.kit.clock import Clock, wait_for
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Wake

FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 10.0
LONGEST_SLEEP_SECONDS = 300.0

SortKey = Callable[[PodFacts, float], tuple[Any, ...]]
Gate = Callable[[PodFacts], tuple[str, str]]


@dataclass(slots=True, eq=False)
class QueuedPod:
    """A Pod in the queue. `place` names the part of the queue that it is in; heap entries of other places are stale."""

    facts: PodFacts
    since: float
    place: str = "new"
    attempts: int = 0
    until: float = 0.0
    rejected_by: set[str] = field(default_factory=set)
    ticket: int = 0


class SchedulingQueue:
    """Scheduling queue: active, backing off, unschedulable and gated Pods. Used from one loop; only `pop` waits."""

    def __init__(self, clock: Clock, sort_key: SortKey, gate: Gate, wakes: Iterable[tuple[str, Sequence[Wake]]]) -> None:
        self._clock = clock
        self._sort_key = sort_key
        self._gate = gate
        self._wakes: dict[tuple[str, str], list[tuple[str, Wake]]] = {}
        for plugin, declared in wakes:
            for wake in declared:
                self._wakes.setdefault((wake.kind, wake.action), []).append((plugin, wake))
        self._pods: dict[str, QueuedPod] = {}
        self._sleeping: dict[str, dict[str, QueuedPod]] = {}
        """By each plugin that rejected them, and by UID: an event concerns those of few plugins."""
        self._active: list[tuple[tuple[Any, ...], int, QueuedPod]] = []
        self._backing_off: list[tuple[float, int, QueuedPod]] = []
        self._timed: list[tuple[float, int, QueuedPod]] = []
        self._tickets = itertools.count(1)
        self._ready = asyncio.Event()
        self._rescheduled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pods)

    def place_of(self, uid: str) -> str:
        """active, backing off, failed, unschedulable, gated, or empty for a Pod that is not in the queue."""
        return self._pods[uid].place if uid in self._pods else ""

    # From the informer

    def add(self, facts: PodFacts) -> str:
        """Add a Pod without a node. Returns why it is gated, or ""."""
        entry = self._pods[facts.uid] = QueuedPod(facts, self._clock.monotonic())
        return self._enter(entry)

    def update(self, facts: PodFacts, changed: bool) -> str:
        """Replace a Pod; a change of its spec or labels (`changed`) may make it schedulable. Returns why it is gated, or ""."""
        entry = self._pods.get(facts.uid)
        if entry is None:
            return ""
        entry.facts = facts
        return self._enter(entry) if changed and entry.place in ("gated", "unschedulable") else ""

    def remove(self, uid: str) -> None:
        """Remove a Pod from the queue, if it is there."""
        entry = self._pods.pop(uid, None)
        if entry is not None:
            self._remove_from_unschedulable(entry)
            entry.place = "gone"

    def move_on_event(self, kind: str, action: str, old: Any, new: Any) -> None:
        """Move the Pods that a cluster event may help to the active or backoff queue (upstream's MoveAllToActiveOrBackoffQueue)."""
        for name, wake in self._wakes.get((kind, action), ()):
            for entry in [*self._sleeping.get(name, {}).values()]:
                if wake.hint is None or wake.hint(entry.facts, old, new):
                    self._wake(entry)

    # From the scheduling loop

    async def pop(self) -> QueuedPod:
        """The next Pod to schedule; it stays known to the queue until `remove`, `sleep` or `fail`."""
        while True:
            entry = self._next()
            if entry is not None:
                entry.place = "taken"
                entry.attempts += 1
                return entry
            self._ready.clear()
            await self._ready.wait()

    def sleep(self, entry: QueuedPod, rejected_by: set[str]) -> None:
        """The Pod fitted on no node because of these plugins: it becomes unschedulable."""
        if entry.place != "taken":
            return
        entry.rejected_by = rejected_by
        entry.place = "unschedulable"
        entry.until = self._back_off_until(entry)
        for name in rejected_by:
            self._sleeping.setdefault(name, {})[entry.facts.uid] = entry
        self._at(self._clock.monotonic() + LONGEST_SLEEP_SECONDS, entry)

    def fail(self, entry: QueuedPod) -> None:
        """Scheduling failed with an error: the Pod is tried again after its backoff."""
        if entry.place != "taken":
            return
        entry.place = "failed"
        self._at(self._back_off_until(entry), entry)

    def again(self, entry: QueuedPod) -> None:
        """What an unschedulable Pod waited for has failed: it is tried again after its backoff."""
        if entry.place == "unschedulable":
            self._wake(entry)

    async def run(self) -> None:
        """Move Pods whose backoff or waiting time is over, until cancelled."""
        while True:
            self._rescheduled.clear()
            deadline = self._fire()
            if deadline is None:
                await self._rescheduled.wait()
            else:
                with suppress(TimeoutError):
                    await wait_for(self._clock, self._rescheduled.wait(), deadline - self._clock.monotonic())

    # Inside

    def _enter(self, entry: QueuedPod) -> str:
        plugin, reason = self._gate(entry.facts)
        self._remove_from_unschedulable(entry)
        if reason:
            entry.place = "gated"
            entry.rejected_by = {plugin}
        else:
            self._wake(entry)
        return reason

    def _remove_from_unschedulable(self, entry: QueuedPod) -> None:
        for name in entry.rejected_by:
            self._sleeping.get(name, {}).pop(entry.facts.uid, None)

    def _wake(self, entry: QueuedPod) -> None:
        self._remove_from_unschedulable(entry)
        entry.ticket = next(self._tickets)
        if entry.until > self._clock.monotonic():
            entry.place = "backing off"
            heapq.heappush(self._backing_off, (entry.until, entry.ticket, entry))
        else:
            self._activate(entry)
        self._ready.set()

    def _activate(self, entry: QueuedPod) -> None:
        entry.place = "active"
        heapq.heappush(self._active, (self._sort_key(entry.facts, entry.since), entry.ticket, entry))

    def _next(self) -> QueuedPod | None:
        now = self._clock.monotonic()
        while self._backing_off and (self._backing_off[0][0] <= now or not self._holds(self._backing_off[0], "backing off")):
            item = heapq.heappop(self._backing_off)
            if self._holds(item, "backing off"):
                self._activate(item[2])
        while self._active:
            active = heapq.heappop(self._active)
            if self._holds(active, "active"):
                return active[2]
        return heapq.heappop(self._backing_off)[2] if self._backing_off else None

    @staticmethod
    def _holds(item: tuple[Any, int, QueuedPod], place: str) -> bool:
        return item[2].place == place and item[2].ticket == item[1]

    def _back_off_until(self, entry: QueuedPod) -> float:
        seconds = min(FIRST_BACK_OFF_SECONDS * 2.0 ** min(entry.attempts - 1, 30), LONGEST_BACK_OFF_SECONDS)
        return self._clock.monotonic() + seconds

    def _at(self, deadline: float, entry: QueuedPod) -> None:
        entry.ticket = next(self._tickets)
        if not self._timed or deadline < self._timed[0][0]:
            self._rescheduled.set()
        heapq.heappush(self._timed, (deadline, entry.ticket, entry))

    def _fire(self) -> float | None:
        """Wake what is due; gives when the next is."""
        while self._timed:
            deadline, ticket, entry = self._timed[0]
            current = entry.ticket == ticket and entry.place in ("unschedulable", "failed")
            if current and deadline > self._clock.monotonic():
                return deadline
            heapq.heappop(self._timed)
            if current:
                self._wake(entry)
        return None
