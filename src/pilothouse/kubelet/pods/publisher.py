"""Status manager: sends Pod statuses to the API.

- The newest status of a pod wins; at most one patch of a pod is under way.
- Only what changed since the API's last word is sent, as a strategic merge patch bound to the pod's uid.
- What is intermediate is held back for two seconds: a pod that starts faster costs one patch, not three, and where fifty start at once the
  news that they run do not queue behind what they were before.
- An unreachable server is tried again until a newer status replaces this one; a pod that is gone is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import orjson

from pilothouse.api.types.core_v1 import Pod, PodStatus
from pilothouse.client.call import STRATEGIC_MERGE_PATCH, Options
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kubelet.pods.conditions import DISRUPTION, OWN
from pilothouse.kubelet.pods.spec import is_static
from pilothouse.machinery.codec import to_dict
from pilothouse.machinery.errors import StatusError

log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
INTERMEDIATE_SECONDS = 2.0
REPLACED_LISTS = ("podIPs", "hostIPs")


@dataclass(slots=True)
class Entry:
    """Status of one Pod. `acknowledged` is the status that the API has."""

    pod: Pod
    acknowledged: dict[str, Any]
    wanted: PodStatus | None = None
    last: PodStatus | None = None
    version: int = 0
    """How often something was to be told."""
    remove: bool = False
    urgent: asyncio.Event = field(default_factory=asyncio.Event)
    busy: bool = False
    gone: bool = False


class StatusPublisher:
    """Sends pod statuses to the API (upstream's status manager)."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Send statuses to the API until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for entry in self._entries.values():
                self._start(entry)
            await asyncio.Event().wait()

    def publish(self, pod: Pod, status: PodStatus, *, intermediate: bool = False) -> None:
        """Set the status of a Pod. When it is published first, `pod.status` is what the API has.

        What is said `intermediate`, while the pod is being worked on, waits a moment: mostly the next word overtakes it.
        """
        entry = self._entry(pod)
        entry.wanted = entry.last = status
        entry.version += 1
        if not intermediate:
            entry.urgent.set()
        self._start(entry)

    def mirror_created(self, pod: Pod) -> None:
        """The mirror of a static Pod was created: its status is sent from the beginning."""
        entry = self._entry(pod)
        entry.acknowledged, entry.wanted = {}, entry.last
        entry.version += 1
        entry.urgent.set()
        self._start(entry)

    def overwritten(self, pod: Pod, status: PodStatus) -> None:
        """Another client changed fields of the kubelet: `status` is sent again."""
        entry = self._entries.get(pod.metadata.uid)
        if entry is not None:
            entry.acknowledged = to_dict(pod.status)
        self.publish(pod, status)

    def remove(self, pod: Pod) -> None:
        """Delete the Pod from the API after its last status was sent."""
        entry = self._entry(pod)
        entry.remove = True
        entry.version += 1
        entry.urgent.set()
        self._start(entry)

    def forget(self, uid: str) -> None:
        """Send nothing more for a Pod."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            entry.gone = True

    def _entry(self, pod: Pod) -> Entry:
        entry = self._entries.get(pod.metadata.uid)
        if entry is None:
            entry = self._entries[pod.metadata.uid] = Entry(pod, to_dict(pod.status))
        return entry

    def _start(self, entry: Entry) -> None:
        if self._group is not None and not entry.busy and not entry.gone:
            entry.busy = True
            self._group.create_task(self._deliver(entry), name="pod status")

    async def _deliver(self, entry: Entry) -> None:
        try:
            while not entry.gone and (entry.wanted is not None or entry.remove):
                told = None
                try:
                    await self._linger(entry)
                    told = entry.version
                    await self._deliver_one(entry)
                except ConnectionError:
                    await self._clock.sleep(RETRY_SECONDS)
                except StatusError as error:
                    if error.code in {404, 409, 422}:
                        if entry.version == told:  # else something newer is to be told, perhaps to a mirror that was made meanwhile
                            self._drop(entry, error)
                    else:
                        await self._clock.sleep(RETRY_SECONDS)
        finally:
            entry.busy = False

    async def _linger(self, entry: Entry) -> None:
        if not entry.urgent.is_set():
            try:
                await wait_for(self._clock, entry.urgent.wait(), INTERMEDIATE_SECONDS)
            except TimeoutError:
                return

    def _drop(self, entry: Entry, error: StatusError) -> None:
        """The pod is gone, is another one by now, or the API refuses this status: a newer one may do better."""
        if error.code == 422:
            meta = entry.pod.metadata
            log.warning("a pod's status is refused", extra={"pod": meta.name, "namespace": meta.namespace, "error": str(error)})
        entry.wanted = None
        if error.code == 404 and not is_static(entry.pod):
            entry.gone, entry.remove = True, False
            self._entries.pop(entry.pod.metadata.uid, None)

    async def _deliver_one(self, entry: Entry) -> None:
        status, meta = entry.wanted, entry.pod.metadata
        if status is not None:
            wanted = to_dict(status)
            patch = difference(entry.acknowledged, wanted)
            if patch:
                bound = {} if is_static(entry.pod) else {"metadata": {"uid": meta.uid}}  # a mirror has a uid of its own
                body = orjson.dumps({**bound, "status": patch})
                await self._client.patch(Pod, meta.name, meta.namespace, body, patch_type=STRATEGIC_MERGE_PATCH, subresource="status")
            entry.acknowledged = wanted
            if entry.wanted is status:
                entry.wanted = None
                if not entry.remove:
                    entry.urgent.clear()
            return
        options = Options(grace_period_seconds=0, precondition_uid=meta.uid)
        await self._client.delete(Pod, meta.name, meta.namespace, options=options)
        entry.remove = False


def difference(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Strategic merge patch from `old` to `new`, of the fields that the kubelet owns. Pure."""
    patch: dict[str, Any] = {}
    for name in [*old, *[name for name in new if name not in old]]:
        if old.get(name) == new.get(name):
            continue
        value = new.get(name)
        if name == "conditions":
            value = _conditions(old.get(name, []), value or [])
            if not value:
                continue
        elif name in REPLACED_LISTS and old.get(name) and value is not None:
            value = [{"$patch": "replace"}, *value]
        patch[name] = value
    return patch


def _conditions(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conditions of the kubelet that changed; fields that a condition no longer has are nulled, or merging keeps them."""
    before = {condition["type"]: condition for condition in old}
    changed = []
    for condition in new:
        known = before.get(condition["type"], {})
        if condition != known and condition["type"] in (*OWN, DISRUPTION):
            changed.append({**dict.fromkeys(known), **condition})
    gone = before.keys() - {condition["type"] for condition in new}
    return changed + [{"type": name, "$patch": "delete"} for name in OWN if name in gone]
