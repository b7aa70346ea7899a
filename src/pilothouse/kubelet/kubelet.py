"""The kubelet of one node: runs the Pods that are bound to it, and reports their status.

- All that it knows of running containers it can learn again from the runtime: ending and starting it harms none of them.
- Every pod has a worker of its own; what they share is wired here and nowhere else.
- Runtime, machine, network and control groups are ports: the simulated node is this class over other implementations.
- It polls nothing: the API is watched, the runtime tells its events.

Logs, exec, attach and port-forward are served by server/, which asks this class for pods and containers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from pilothouse.api.types.core_v1 import Node, Pod, Service
from pilothouse.client.client import Client
from pilothouse.client.events import EventRecorder
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.kit.blocking import BlockingCalls
from pilothouse.kit.clock import Clock
from pilothouse.kit.component import Component
from pilothouse.kit.entropy import Entropy
from pilothouse.kubelet.cgroups import Cgroups, NoCgroups
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.eviction.manager import EvictionManager
from pilothouse.kubelet.eviction.usage import PodUsage
from pilothouse.kubelet.hooks import LifecycleHooks
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.images.collector import ImageCollector
from pilothouse.kubelet.images.manager import ImageManager
from pilothouse.kubelet.launch.launcher import pod_ips
from pilothouse.kubelet.launch.naming import parse_resolv_conf
from pilothouse.kubelet.launch.services import service_environment
from pilothouse.kubelet.leftovers import Leftovers, NoShims, ShimProcesses
from pilothouse.kubelet.logs import LogRotation
from pilothouse.kubelet.mounts.manager import VolumeManager
from pilothouse.kubelet.mounts.refresher import VolumeRefresher
from pilothouse.kubelet.node import preemption
from pilothouse.kubelet.node.admission import NodeFeatures, admit, admit_resize, missing, rejection
from pilothouse.kubelet.node.agent import NodeAgent
from pilothouse.kubelet.node.preemption import NoRoom, is_critical, pods_to_preempt
from pilothouse.kubelet.node.status import without_reserved
from pilothouse.kubelet.objects import ReferencedObjects
from pilothouse.kubelet.orphans import adopt, end_orphans, end_unknown
from pilothouse.kubelet.pods.allocation import PendingResize
from pilothouse.kubelet.pods.node_services import NodeServices
from pilothouse.kubelet.pods.observed import Ending, Run
from pilothouse.kubelet.pods.publisher import StatusPublisher
from pilothouse.kubelet.pods.relist import Relist
from pilothouse.kubelet.pods.spec import from_api, grace_seconds, is_mirror
from pilothouse.kubelet.pods.status import NodeFacts
from pilothouse.kubelet.pods.workers import PodWorkers
from pilothouse.kubelet.probes.port import Network
from pilothouse.kubelet.probes.prober import Prober
from pilothouse.kubelet.qosgroups import QosGroups, pods_limits
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure
from pilothouse.kubelet.server.node_stats import NodeStats
from pilothouse.kubelet.staticpods import StaticPods

RUNTIME_RETRY_SECONDS = 0.5


class Kubelet:
    """The kubelet of one node; connects and runs all of its parts.

    `host`, `network` and `cgroups` default to the machine's own, without control groups.

    `shims` are the runtime's processes; where they are given, those that no sandbox has are ended. While the node is `busy` events wait.
    """

    def __init__(
        self,
        client: Client,
        node_name: str,
        runtime: Runtime,
        clock: Clock,
        entropy: Entropy,
        config: KubeletConfig,
        *,
        host: Host | None = None,
        network: Network | None = None,
        cgroups: Cgroups | None = None,
        informers: Informers | None = None,
        shims: ShimProcesses | None = None,
        busy: Callable[[], bool] | None = None,
    ) -> None:
        self._shims, self._looks_for_leftovers = shims or NoShims(), shims is not None
        self.client, self.node_name, self.runtime, self.clock, self.config = client, node_name, runtime, clock, config
        config.hostname = config.hostname or node_name
        self.host = host or _linux_host(clock)
        network = network or _linux_network(clock)
        self.recorder = EventRecorder(client, "kubelet", clock, entropy, host=node_name, busy=busy)
        self._own_informers = informers is None
        self.informers = informers or Informers(client, clock, entropy)
        self.pods: Informer[Pod] = self.informers.of(Pod, field_selector=f"spec.nodeName={node_name}")
        self.services: Informer[Service] = self.informers.of(Service)
        self.nodes: Informer[Node] = self.informers.of(Node, field_selector=f"metadata.name={node_name}")
        self.objects = ReferencedObjects(client, clock, entropy)
        self.publisher = StatusPublisher(client, clock)
        self.volumes = VolumeManager(client, self.objects, self.host, clock, config, node_name)
        self.images = ImageManager(runtime, self.objects, clock, serialize=config.serialize_image_pulls, changed=self._images_changed)
        self.agent = NodeAgent(client, node_name, runtime, self.host, clock, config, self.recorder)
        self.shared = NodeServices(
            runtime=runtime,
            clock=clock,
            entropy=entropy,
            config=config,
            host=self.host,
            cgroups=cgroups or NoCgroups(),
            recorder=self.recorder,
            images=self.images,
            volumes=self.volumes,
            objects=self.objects,
            publisher=self.publisher,
            hooks=LifecycleHooks(runtime, network, clock),
            facts=NodeFacts(config.host_ips),
            service_environment=self._service_environment,
        )
        self.workers = PodWorkers(self.shared, self._admit, self._grant)
        self.groups = QosGroups(self.shared.cgroups, config.cgroup_root, self._living_pods) if config.cgroups_per_qos else None
        self._range, self._range_changed = "", asyncio.Event()
        self.synced = asyncio.Event()
        """Set when the pods that were here before are known again."""
        self._make_keepers(network)

    def _make_keepers(self, network: Network) -> None:
        """What looks after running pods and the node, beside the workers."""
        runtime, clock, config = self.runtime, self.clock, self.config
        self.prober = Prober(runtime, network, clock)
        self.workers.observers.append(self.prober.observe)
        self.workers.gone.append(self.prober.forget)
        self.refresher = VolumeRefresher(self.volumes, clock, self._with_live_volumes, config.volume_resync_seconds)
        self.collector = ImageCollector(runtime, self.host, clock, config, self._record_node_event, self._images_changed)
        usage = PodUsage(runtime, self.host, self.shared.cgroups, self.volumes, self.shared.paths, config.cgroup_root)
        self.eviction = EvictionManager(
            runtime, self.host, clock, config, usage, self.collector, lambda: self.workers, self.agent.pressed, self._record_node_event
        )
        self.relist = Relist(
            runtime,
            clock,
            config.relist_seconds,
            states=lambda: [(worker.uid, worker.state) for worker in self.workers],
            stale=self.workers.mark_stale,
            known=self._is_known,
            end=lambda uid, sandboxes: end_unknown(self.shared, uid, sandboxes),
        )
        self.agent.problems.append(self.relist.problem)
        self.leftovers = Leftovers(
            runtime, self.shared.cgroups, self._shims, BlockingCalls(clock), clock, config.cgroup_root, self._is_known
        )
        self.rotation = LogRotation(runtime, self.host, clock, self._running, config.log_rotation_seconds)
        self.static = StaticPods(
            self.client,
            self.node_name,
            config.static_pod_path,
            self.host,
            clock,
            self.publisher,
            self.workers.update,
            self.workers.remove,
            lambda: self.agent.node,
            lambda: [pod for pod in self.pods.list() if is_mirror(pod)],
        )

    async def run(self) -> None:
        """Run until cancelled; containers keep running after that."""
        await self._read_host()
        self._balance()
        self._limit_all_pods()
        async with asyncio.TaskGroup() as group:
            if self._own_informers:
                group.create_task(self.informers.run(), name="informers")
            for part in self._parts():
                group.create_task(part.run(), name=type(part).__name__)
            group.create_task(self._pods(), name="pods")

    def _parts(self) -> tuple[Component, ...]:
        return (
            *((self.groups,) if self.groups is not None else ()),
            self.recorder,
            self.objects,
            self.publisher,
            self.agent,
            self.prober,
            self.refresher,
            self.collector,
            self.eviction,
            self.rotation,
            self.relist,
            *((self.leftovers,) if self.groups is not None and self._looks_for_leftovers else ()),
        )

    def _is_known(self, uid: str) -> bool:
        """Whether a pod is this kubelet's, or may be: before the first look at API and runtime every pod may."""
        return not self.synced.is_set() or self.workers.get(uid) is not None or any(pod.metadata.uid == uid for pod in self.pods.list())

    def known_pods(self) -> Iterable[Pod]:
        """The node's Pods with the status that the kubelet last computed; static Pods instead of their mirrors."""
        return [worker.pod_with_status() for worker in self.workers]

    async def node_stats(self) -> NodeStats:
        """Current statistics of the node."""
        host = self.host
        return NodeStats(host.machine(), host.load(), await host.disk(self.config.root_dir), self.prober.counts)

    def _record_node_event(self, type: str, reason: str, message: str) -> None:
        self.recorder.event(self.agent.reference, type, reason, message)

    def _images_changed(self) -> None:
        self.agent.images_changed = True
        self.images.forget_looked_up()

    def _running(self) -> list[Run]:
        return [run for worker in self.workers for run in worker.state.all_runs() if run.running]

    async def _pods(self) -> None:
        """Static pods first, which need no API; those of the API once it answers."""
        self.objects.listen(self._sources_changed)
        async with asyncio.TaskGroup() as group:
            listening = asyncio.Event()
            group.create_task(self._follow_runtime(listening), name="runtime events")
            await listening.wait()
            if self.config.static_pod_path:
                await self.static.read()
                await self._recover(lambda: adopt(self.shared, self.workers, self.static.pods.values()))
            group.create_task(self.workers.run(), name="workers")
            group.create_task(self.static.run(), name="static pods")
            await self.pods.synced.wait()
            await self.services.synced.wait()
            await self.agent.registered.wait()
            self._follow_node()
            await self._recover(self._adopt_or_end)
            self.pods.subscribe(self._pod_changed)
            self.synced.set()
            self.static.mirror_changed()
            group.create_task(self._follow_range(), name="pod range")

    async def _adopt_or_end(self) -> None:
        mine = [from_api(pod) for pod in self.pods.list() if not is_mirror(pod)]
        await adopt(self.shared, self.workers, mine)
        await end_orphans(self.shared, {worker.uid for worker in self.workers})

    async def _recover(self, work: Callable[[], Awaitable[None]]) -> None:
        """Until the runtime answers."""
        while True:
            try:
                await work()
                return
            except RuntimeFailure:
                await self.clock.sleep(RUNTIME_RETRY_SECONDS)

    async def _follow_runtime(self, listening: asyncio.Event) -> None:
        async with aclosing(self.runtime.events()) as events:  # type: ignore[type-var]
            listening.set()  # who waits for it goes on only after the first step of the iteration, which subscribes
            async for event in events:
                self.workers.handle_event(event)

    def _pod_changed(self, type: str, old: Pod | None, new: Pod | None) -> None:
        if is_mirror(new or old or Pod()):
            if new is None or new.metadata.deletionTimestamp:
                self.static.mirror_changed()
            return
        if old is not None and new is not None and old.metadata.uid != new.metadata.uid:
            self.workers.remove(old)
        if new is not None:
            self.workers.update(from_api(new))
            self._balance()
            if old is not None and (old.metadata.labels, old.metadata.annotations) != (new.metadata.labels, new.metadata.annotations):
                self.refresher.changed(new.metadata.uid)
        elif old is not None:
            self.workers.remove(old)

    def _living_pods(self) -> Iterable[Pod]:
        return [worker.pod for worker in self.workers if worker.state.ending is None]

    def _balance(self) -> None:
        if self.groups is not None:
            self.groups.pods_changed()

    def _limit_all_pods(self) -> None:
        """To what pods may have of the machine; what evictions keep free is not for the kernel to enforce."""
        if self.groups is not None:
            machine = self.host.machine()
            whole = {"cpu": str(machine.cores), "memory": str(machine.memory), **self.config.capacity}
            self.groups.limit(pods_limits(without_reserved(whole, self.config), self.host.load().processes_limit))

    def _sources_changed(self, reference: Any, holders: set[str]) -> None:
        for uid in [*holders]:
            worker = self.workers.get(uid)
            if worker is not None:
                worker.sources_changed()
                self.refresher.changed(uid)

    def _with_live_volumes(self, uid: str) -> tuple[Pod, tuple[str, ...]] | None:
        worker = self.workers.get(uid)
        if worker is None or worker.state.ending is not None or not worker.state.prepared:
            return None
        return worker.pod, pod_ips(self.shared, worker.pod, worker.state)

    def _follow_node(self) -> None:
        self._node_changed("ADDED", None, self.agent.node)
        self.nodes.subscribe(self._node_changed)

    def _node_changed(self, type: str, old: Node | None, new: Node | None) -> None:
        if new is None:
            return
        self.agent.node_updated(new)
        if new.spec.podCIDR != self._range:
            self._range = new.spec.podCIDR
            self._range_changed.set()
        allocatable = {name: str(value) for name, value in new.status.allocatable.items()}
        if allocatable:
            self.shared.allocatable = self.volumes.allocatable = allocatable

    async def _follow_range(self) -> None:
        """Tell the runtime which addresses its pods may have, whenever the API says so anew."""
        while True:
            await self._range_changed.wait()
            self._range_changed.clear()
            try:
                if self._range:
                    await self.runtime.update_runtime_config(self._range)
            except RuntimeFailure:
                await self.clock.sleep(RUNTIME_RETRY_SECONDS)
                self._range_changed.set()

    def _admit(self, pod: Pod, others: list[Pod]) -> Ending | None:
        features = NodeFeatures(self.host.machine().apparmor, self.runtime.supplemental_groups_policy)
        node = self._node()
        refused = admit(pod, others, node, self.agent.pressures, features)
        if refused is not None or not is_critical(pod):
            return refused
        try:
            self._preempt(pods_to_preempt(pod, others, missing(pod, others, node)))
        except NoRoom as error:
            return rejection("UnexpectedAdmissionError", str(error))
        return None

    def _preempt(self, pods: list[Pod]) -> None:
        """End them, each within its own grace period, so that a critical pod has room."""
        for pod in pods:
            worker = self.workers.get(pod.metadata.uid)
            if worker is not None:
                worker.pod_runtime.record_event("Warning", preemption.REASON, preemption.MESSAGE)
                ending = Ending(grace_seconds(pod), phase="Failed", reason=preemption.REASON, message=preemption.MESSAGE)
                worker.end(replace(ending, disruption=True, disruption_message=preemption.CONDITION_MESSAGE))

    def _grant(self, pod: Pod, others: list[Pod]) -> PendingResize | None:
        return admit_resize(pod, others, self._node())

    def _node(self) -> Node | None:
        return self.nodes.get("", self.node_name) or self.agent.node

    def _service_environment(self, pod: Pod) -> Mapping[str, str]:
        return service_environment(pod, self.services.list())

    async def _read_host(self) -> None:
        if await self.host.kind(self.config.resolv_conf) == "file":
            text = await self.host.read_file(self.config.resolv_conf)
            self.shared.host_dns = parse_resolv_conf(text.decode(errors="replace"))


def _linux_host(clock: Clock) -> Host:
    from pilothouse.kubelet.host.linux import LinuxHost

    return LinuxHost(clock)


def _linux_network(clock: Clock) -> Network:
    from pilothouse.kubelet.probes.network import LinuxNetwork

    return LinuxNetwork(clock)
