"""Registers the Node, and keeps its status and Lease up to date.

- A node that is there already is taken over: labels mended, status replaced; its taints and cordon stay.
- The status is looked at every 10 s and sent when it changed, or after 5 min; until the node is first Ready, ten times a second.
- An API that cannot be reached is tried again; nothing else of the kubelet waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from pilothouse.api.core.validation.resources import is_extended
from pilothouse.api.types.coordination_v1 import Lease, LeaseSpec
from pilothouse.api.types.core_v1 import Node, NodeSpec, NodeStatus, ObjectReference
from pilothouse.client.call import STRATEGIC_MERGE_PATCH
from pilothouse.client.client import Client
from pilothouse.client.events import EventRecorder
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.node.status import PRESSURES, NodeObservation, extended_resources, labels, node_status
from pilothouse.kubelet.runtime.images import Image
from pilothouse.kubelet.runtime.port import Runtime, RuntimeCondition, RuntimeFailure, RuntimeVersion
from pilothouse.machinery import time as times
from pilothouse.machinery.codec import to_dict
from pilothouse.machinery.conditions import is_condition_true
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference

log = logging.getLogger(__name__)
LEASE_NAMESPACE = "kube-node-lease"
RETRY_SECONDS = 1.0
FAST_SECONDS = 0.1
RUNTIME_SILENT_SECONDS = 30.0
"""So long a runtime may be silent (it may be starting anew) before the node is not Ready; upstream's threshold."""
OWN = {*PRESSURES, "Ready"}
"""The conditions that the kubelet writes; it never says Unknown."""


class NodeAgent:
    """Registers the Node, and keeps its status and its Lease up to date.

    `pressures` and `images_changed` are set by others of this kubelet.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        runtime: Runtime,
        host: Host,
        clock: Clock,
        config: KubeletConfig,
        recorder: EventRecorder,
    ) -> None:
        self._client = client
        self._name = name
        self._runtime = runtime
        self._host = host
        self._clock = clock
        self._config = config
        self._recorder = recorder
        self.pressures: set[str] = set()
        self.images_changed = True
        self.problems: list[Callable[[], str]] = []
        """Health checks of other parts of this kubelet: "" while all is well, else what the condition Ready says."""
        self._answer: tuple[float, RuntimeVersion, tuple[RuntimeCondition, ...]] | None = None
        """When the runtime answered last, and what it said of itself."""
        self.registered = asyncio.Event()
        self.node: Node | None = None
        """As the API last answered."""
        self._images: tuple[Image, ...] = ()
        self._changed = asyncio.Event()
        self._sent: dict[str, Any] = {}
        self._looked: tuple[NodeObservation, Node] | None = None
        """What the last look saw that was told, and the node as it was then."""
        self._sent_at = float("-inf")
        self._ready: bool | None = None

    @property
    def reference(self) -> ObjectReference:
        """The Node as involvedObject of its events; uid is its name, as upstream sets it."""
        return ObjectReference(kind="Node", name=self._name, uid=self._name, apiVersion="v1")

    def pressed(self, conditions: set[str]) -> None:
        """Pressure conditions that are True."""
        if conditions == self.pressures:
            return
        for type in PRESSURES:
            if (type in conditions) != (type in self.pressures):
                self._recorder.event(self.reference, "Normal", *_told(self._name, PRESSURES[type][type in conditions][0]))
        self.pressures = set(conditions)
        self._changed.set()

    def node_updated(self, node: Node) -> None:
        """Handle a change of the Node: conditions that were set to Unknown are corrected at once, and advertised extended resources become
        available to Pods.
        """
        if any(condition.type in OWN and condition.status == "Unknown" for condition in node.status.conditions):
            self.node, self._sent, self._ready = node, {}, False
            self._changed.set()
        elif self.node is None or extended_resources(node.status) != extended_resources(self.node.status):
            self.node = node
            self._changed.set()

    async def run(self) -> None:
        """Register the Node, then update its status and its Lease until cancelled."""
        await self._until_done(self._register)
        self._recorder.event(self.reference, "Normal", "Starting", "Starting kubelet.")
        for reasons in PRESSURES.values():
            self._recorder.event(self.reference, "Normal", *_told(self._name, reasons[0][0]))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_status(), name="node status")
            group.create_task(self._keep_lease(), name="node lease")

    async def _until_done(self, work: Any) -> None:
        while True:
            try:
                await work()
                return
            except (ConnectionError, StatusError) as error:
                log.warning("node is not registered yet", extra={"node": self._name, "error": str(error)})
                await self._clock.sleep(RETRY_SECONDS)

    # Registration

    async def _register(self) -> None:
        machine = self._host.machine()
        wanted = labels(self._config, self._config.hostname or self._name, machine.architecture)
        spec = NodeSpec(
            podCIDR=self._config.pod_cidr,
            podCIDRs=[self._config.pod_cidr] if self._config.pod_cidr else [],
            providerID=self._config.provider_id,
            taints=list(self._config.register_with_taints),
        )
        notes = {"volumes.kubernetes.io/controller-managed-attach-detach": "true", **self._config.node_annotations}
        made = Node(metadata=ObjectMeta(name=self._name, labels=wanted, annotations=notes), spec=spec)
        made.status = await self._status(made)
        try:
            self.node = await self._client.create(made) if self._config.register_node else await self._client.get(Node, self._name)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            self.node = await self._take_over(wanted)
        self.registered.set()
        log.info("node registered", extra={"node": self._name})

    async def _take_over(self, wanted: dict[str, str]) -> Node:
        node = await self._client.get(Node, self._name)
        self._note_reboot(node)
        missing = {name: value for name, value in wanted.items() if node.metadata.labels.get(name) != value}
        if not missing:
            return node
        return await self._client.patch(Node, self._name, "", orjson.dumps({"metadata": {"labels": missing}}))

    def _note_reboot(self, node: Node) -> None:
        before, now = node.status.nodeInfo, self._host.machine().boot_id
        if before is not None and before.bootID and before.bootID != now:
            self._recorder.event(self.reference, "Warning", "Rebooted", f"Node {self._name} has been rebooted, boot id: {now}")

    # Status

    async def _keep_status(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._send_status()
            except StatusError as error:
                if error.code == 404 and self._config.register_node:
                    await self._until_done(self._register)
            except ConnectionError:
                pass
            seconds = self._config.status_update_seconds if self._ready else FAST_SECONDS
            timer = self._clock.call_after(seconds, self._changed.set)  # a look is due then, changed or not
            try:
                await self._changed.wait()
            finally:
                timer.cancel()

    async def _send_status(self) -> None:
        assert self.node is not None
        seen, now = await self._look(), self._clock.monotonic()
        due = now - self._sent_at >= self._config.status_report_seconds
        if not due and self._looked == (seen, self.node):
            return  # nothing is there to be told that was not told: most looks end here
        status = self._status_of(seen, self.node)
        ready = is_condition_true(status.conditions, "Ready")
        wanted = to_dict(status)
        shown = _without_heartbeats(wanted)
        if due or shown != _without_heartbeats(self._sent):
            body = orjson.dumps({"status": _changes(self._sent, wanted, self.node.status)})
            self.node = await self._client.patch(Node, self._name, "", body, patch_type=STRATEGIC_MERGE_PATCH, subresource="status")
            self._sent, self._sent_at = wanted, now
        self._looked = seen, self.node
        if ready != self._ready:
            self._ready = ready
            word = "NodeReady" if ready else "NodeNotReady"
            self._recorder.event(self.reference, "Normal", word, f"Node {self._name} status is now: {word}")

    async def _status(self, node: Node) -> Any:
        return self._status_of(await self._look(), node)

    def _status_of(self, seen: NodeObservation, node: Node) -> Any:
        return node_status(seen, self._config, self._config.hostname or self._name, node.status, times.now_text(self._clock))

    async def _look(self) -> NodeObservation:
        machine, disk = self._host.machine(), await self._host.disk(self._config.root_dir)
        now, silent = self._clock.monotonic(), False
        try:
            self._answer = (now, await self._runtime.version(), tuple(await self._runtime.status()))
            if self.images_changed:
                self.images_changed = False
                self._images = tuple(await self._runtime.list_images())
        except RuntimeFailure as error:
            log.warning("the runtime does not answer", extra={"error": str(error)})
            self.images_changed = silent = True
        at, version, images = self._answer or (now, RuntimeVersion("containerd", "unknown"), ())
        problems = [text for problem in self.problems if (text := problem())]
        if self._answer is None:
            problems.insert(0, "container runtime status check may not have completed yet")
        elif silent and now - at >= RUNTIME_SILENT_SECONDS:
            problems.insert(0, "container runtime is down")
        return NodeObservation(
            machine,
            disk,
            version,
            images,
            problems=tuple(problems),
            images=self._images,
            pressures=frozenset(self.pressures),
            supplemental_groups_policy=self._runtime.supplemental_groups_policy,
        )

    # Lease

    async def _keep_lease(self) -> None:
        lease: Lease | None = None
        while True:
            try:
                lease = await self._renew(lease)
                await self._clock.sleep(self._config.lease_renew_seconds)
            except StatusError as error:
                lease = None
                await self._clock.sleep(RETRY_SECONDS if error.code != 409 else 0)
            except ConnectionError:
                await self._clock.sleep(RETRY_SECONDS)

    async def _renew(self, lease: Lease | None) -> Lease:
        if lease is None:
            lease = await self._found_lease()
        if lease is None:
            return await self._client.create(self._new_lease())
        spec = msgspec.structs.replace(
            lease.spec,
            renewTime=times.micro_text(self._clock),
            holderIdentity=self._name,
            leaseDurationSeconds=self._config.lease_duration_seconds,
        )
        return await self._client.update(msgspec.structs.replace(lease, spec=spec))

    async def _found_lease(self) -> Lease | None:
        try:
            return await self._client.get(Lease, self._name, LEASE_NAMESPACE)
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    def _new_lease(self) -> Lease:
        assert self.node is not None
        owner = OwnerReference(apiVersion="v1", kind="Node", name=self._name, uid=self.node.metadata.uid)
        return Lease(
            metadata=ObjectMeta(name=self._name, namespace=LEASE_NAMESPACE, ownerReferences=[owner]),
            spec=LeaseSpec(
                holderIdentity=self._name,
                leaseDurationSeconds=self._config.lease_duration_seconds,
                renewTime=times.micro_text(self._clock),
            ),
        )


def _told(name: str, reason: str) -> tuple[str, str]:
    """Reason and message of an event about a condition."""
    word = reason.replace("Kubelet", "Node", 1)
    return word, f"Node {name} status is now: {word}"


def _changes(sent: dict[str, Any], wanted: dict[str, Any], shown: NodeStatus) -> dict[str, Any]:
    """What the API is told, resource by resource: what others change of theirs stays; what went is nulled, or merging keeps it."""
    changed = {key: value for key, value in wanted.items() if sent.get(key) != value}
    for key, before in (("capacity", shown.capacity), ("allocatable", shown.allocatable)):
        now = changed.get(key, {})
        if now:
            gone = dict.fromkeys(name for name in before if name not in now and is_extended(name))
            changed[key] = {**gone, **{name: amount for name, amount in now.items() if before.get(name) != amount}}
    return changed


def _without_heartbeats(status: dict[str, Any]) -> dict[str, Any]:
    kept = [{key: value for key, value in condition.items() if key != "lastHeartbeatTime"} for condition in status.get("conditions", [])]
    return {**status, "conditions": kept}
