"""Executes the planner's steps for one Pod in the container runtime, and records the results in its state.

- Expected failures become events and a `Failure` with the moment of the next try; they are never raised.
- What may take long (pulls, hooks) gives way as soon as the pod ends: `Interrupted`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.images.manager import PullFailure
from pilothouse.kubelet.launch.errors import LaunchError
from pilothouse.kubelet.launch.fields import go_duration
from pilothouse.kubelet.launch.launcher import pod_ips, prepare_container
from pilothouse.kubelet.launch.mounts import message_path
from pilothouse.kubelet.launch.naming import dns_warnings
from pilothouse.kubelet.launch.resources import PodCgroup, container_resources, pod_cgroup, value_of, widest
from pilothouse.kubelet.launch.sandbox import sandbox_config
from pilothouse.kubelet.mounts.port import VolumeError
from pilothouse.kubelet.pods import backoff, killing
from pilothouse.kubelet.pods.allocation import resize_text, with_resources
from pilothouse.kubelet.pods.identity import run_of, sandbox_of
from pilothouse.kubelet.pods.interruption import first
from pilothouse.kubelet.pods.node_services import NodeServices
from pilothouse.kubelet.pods.observed import Failure, PodState, Run, age_of
from pilothouse.kubelet.pods.spec import container_of, format_pod
from pilothouse.kubelet.pods.steps import (
    AnyContainer,
    BackingOff,
    KillAll,
    Release,
    Remove,
    RemoveSandbox,
    Resize,
    SetUp,
    Start,
    Step,
    StopSandbox,
)
from pilothouse.kubelet.pods.termination_message import termination_message
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.kubelet.runtime.port import NotFound, RuntimeFailure
from pilothouse.kubelet.runtime.sandboxes import SandboxConfig
from pilothouse.machinery.quoting import go_quoted
from pilothouse.node.cgroups import Limits

T = TypeVar("T")
RETRY_SECONDS = 10.0
"""Upstream's workers come back after 10 to 15 s to what failed."""
NOT_STARTED, NOT_STARTED_SECONDS = "RunContainerError", 1.0
"""A run that was created but does not start counts as one that failed: how long the next waits its back-off says, not this."""
SETUP_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 10.0)


class PodRuntime:
    """Executes the steps of one Pod. `register` is called with the id of every sandbox and container."""

    def __init__(self, pod: Pod, state: PodState, shared: NodeServices, claim: Callable[[str], None]) -> None:
        self.pod = pod
        self.state = state
        self.shared = shared
        self.register = claim
        self.ending = asyncio.Event()
        """Set when the pod ends."""
        self.grace_shortened = asyncio.Event()
        """Set when the grace period shrank while containers were being killed."""
        self.killing_reported: set[str] = set()
        """Runs whose Killing event was told."""
        self._sandbox_config: SandboxConfig | None = None
        self._setup_failures = 0

    async def run(self, step: Step) -> None:
        """Execute one step. Raises RuntimeFailure only where a failure is not expected."""
        match step:
            case SetUp():
                await self._set_up(step)
            case Start():
                await self._start(step)
            case KillAll():
                await killing.kill_all(self, step)
            case StopSandbox():
                await self.shared.runtime.stop_pod_sandbox(step.sandbox_id)
                await self.refresh_sandboxes()
            case RemoveSandbox():
                await self.shared.runtime.remove_pod_sandbox(step.sandbox_id)
                await self.refresh_sandboxes()
            case Resize():
                await self._resize(step)
            case Remove():
                await self._remove(step.run_id)
            case Release():
                await self._release()
            case BackingOff():
                self._back_off(step)

    async def unless_ending(self, awaitable: Awaitable[T]) -> T:
        """Result of `awaitable`; Interrupted when the Pod begins to end."""
        return await first(awaitable, self.ending)

    def sandbox_config(self, attempt: int | None = None) -> SandboxConfig:
        """Configuration of the sandbox for `attempt`, or of the one in use."""
        if self._sandbox_config is None or attempt is not None:
            sandbox = self.state.sandbox
            number = attempt if attempt is not None else (sandbox.attempt if sandbox is not None else 0)
            self._sandbox_config = sandbox_config(self.pod, number, self.shared.config, self.shared.host_dns)
        return self._sandbox_config

    # What is known

    def record_event(self, type: str, reason: str, message: str, container: AnyContainer | None = None) -> None:
        """Record an event of the pod, with the field path of `container` when it is given."""
        path = ""
        if container is not None:
            field = "spec.initContainers" if container in self.pod.spec.initContainers else "spec.containers"
            field = "spec.ephemeralContainers" if container in self.pod.spec.ephemeralContainers else field
            path = f"{field}{{{container.name}}}"
        self.shared.recorder.event(self.pod, type, reason, message, field_path=path)

    def take(self, run: Run) -> None:
        """Record what is known of a run in the state."""
        runs = [other for other in self.state.runs.get(run.name, []) if other.id != run.id]
        self.state.runs[run.name] = sorted([run, *runs], key=age_of, reverse=True)
        self.register(run.id)

    def drop_run(self, run_id: str) -> None:
        """Forget a run that the runtime has removed."""
        self.state.applied.pop(run_id, None)
        for name, runs in self.state.runs.items():
            self.state.runs[name] = [run for run in runs if run.id != run_id]

    async def refresh_run(self, run_id: str) -> Run | None:
        """Read a run from the runtime; None when it is gone."""
        try:
            status = await self.shared.runtime.container_status(run_id)
        except NotFound:
            self.state.lost.update({run.name: run.attempt for run in self.state.all_runs() if run.id == run_id})
            self.drop_run(run_id)
            return None
        run = run_of(status)
        known = container_of(self.pod, run.name)
        if run.state is ContainerState.EXITED and known is not None:
            run.message = await termination_message(self.shared, self.pod, known, run) or run.message
        self.take(run)
        return run

    async def refresh_sandboxes(self) -> None:
        """Read the status of all sandboxes; removed ones are dropped."""
        sandboxes = []
        for sandbox in self.state.sandboxes:
            try:
                sandboxes.append(sandbox_of(await self.shared.runtime.pod_sandbox_status(sandbox.id)))
            except NotFound:
                continue
        self.state.sandboxes = sorted(sandboxes, key=age_of, reverse=True)

    # Sandbox and volumes

    async def _set_up(self, step: SetUp) -> None:
        shared, pod = self.shared, self.pod
        try:
            if step.prepare:
                await self._make_directories()
            work: list[Awaitable[None]] = []
            if step.prepare:
                work += [self._mount(), shared.images.look_up(pod)]
            if step.sandbox:
                work.append(self._run_sandbox(step.attempt))
            results = await asyncio.gather(*work, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        except (VolumeError, TimeoutError) as error:
            self._setup_failed("FailedMount", str(error))
        except RuntimeFailure as error:
            self._setup_failed("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error.status_text}")
        except OSError as error:
            self._setup_failed("FailedCreatePodContainer", f"unable to ensure pod container exists: {error}")
        else:
            self.state.setup_failure, self._setup_failures = None, 0

    async def _set_cgroup(self, pod_cgroup: PodCgroup) -> None:
        config = self.shared.config
        if config.cgroups_per_qos:
            pids = max(config.pod_pids_limit, 0)
            limits = Limits(pod_cgroup.cpu_shares, pod_cgroup.cpu_quota, pod_cgroup.cpu_period, pod_cgroup.memory_limit, pids)
            await self.shared.cgroups.ensure(pod_cgroup.path, limits)

    def _own_cgroup(self) -> PodCgroup:
        return pod_cgroup(self.pod, self.shared.config.cgroup_root)

    def _cgroup_as_it_is(self) -> PodCgroup:
        """Of the resources that the containers have now."""
        given = {run.name: self.state.applied[run.id] for run in self.state.all_runs() if run.running and run.id in self.state.applied}
        return pod_cgroup(with_resources(self.pod, given), self.shared.config.cgroup_root)

    async def _make_directories(self) -> None:
        shared, uid = self.shared, self.pod.metadata.uid
        logs = shared.paths.pod_logs(self.pod)
        containers = (*self.pod.spec.initContainers, *self.pod.spec.containers)
        await asyncio.gather(
            self._set_cgroup(self._own_cgroup()),
            shared.host.make_directories([shared.paths.pod(uid), shared.paths.volumes(uid)], 0o750),
            shared.host.make_directories([logs, *(f"{logs}/{container.name}" for container in containers)]),
        )

    async def _mount(self) -> None:
        self.shared.objects.register_pod(self.pod)
        await self.unless_ending(self.shared.volumes.prepare(self.pod))
        self.state.prepared = True

    async def _run_sandbox(self, attempt: int) -> None:
        self._warn_of_dns()
        if self.state.sandbox is not None:
            self.record_event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        identifier = await self.shared.runtime.run_pod_sandbox(self.sandbox_config(attempt), self.pod.spec.runtimeClassName or "")
        sandbox = sandbox_of(await self.shared.runtime.pod_sandbox_status(identifier))
        self.state.sandboxes.insert(0, sandbox)
        self.register(identifier)

    def _warn_of_dns(self) -> None:
        policy = self.pod.spec.dnsPolicy or "ClusterFirst"
        config = self.shared.config
        for text in dns_warnings(self.pod, self.shared.host_dns, config.cluster_dns, config.cluster_domain):
            self.record_event("Warning", "DNSConfigForming", text)
        wants = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not self.pod.spec.hostNetwork)
        if wants and not config.cluster_dns:
            text = f'kubelet does not have ClusterDNS IP configured and cannot create Pod using "{policy}" policy.'
            self.record_event("Warning", "MissingClusterDNS", f'pod: "{format_pod(self.pod)}". {text} Falling back to "Default" policy.')

    def _setup_failed(self, reason: str, message: str) -> None:
        self.record_event("Warning", reason, message)
        seconds = SETUP_RETRY_SECONDS[min(self._setup_failures, len(SETUP_RETRY_SECONDS) - 1)]
        self._setup_failures += 1
        self.state.setup_failure = Failure(reason, message, self.shared.now() + seconds)

    async def _release(self) -> None:
        try:
            await self.shared.volumes.release(self.pod.metadata.uid)
            if self.shared.config.cgroups_per_qos:
                await self.shared.cgroups.remove(self._own_cgroup().path)
        except OSError as error:
            raise RuntimeFailure(f"cannot take away what belongs to the pod: {error}") from error
        self.shared.objects.unregister_pod(self.pod.metadata.uid)
        self.shared.images.forget(self.pod.metadata.uid)
        self.state.released = True

    # Containers

    async def _resize(self, step: Resize) -> None:
        """The pod's own group allows both sizes until its container has the new one. What fails is told once, and tried again."""
        try:
            machine = self.shared.host.machine()
            wanted = container_resources(self.pod, step.container, machine, cfs_quota=self.shared.config.cpu_cfs_quota)
            await self._spare_memory_in_use(step, wanted.memory_limit)
            await self._set_cgroup(widest(self._cgroup_as_it_is(), self._own_cgroup()))
            await self.shared.runtime.update_container_resources(step.run_id, wanted)
            self.state.applied[step.run_id] = step.container.resources
            await self._set_cgroup(self._cgroup_as_it_is())
        except (RuntimeFailure, OSError) as error:
            old, text = self.state.resize_failure, str(error)
            if old is None or old.message != text:
                self.record_event("Warning", "ResizeError", resize_text(self.pod, "error", text))
            self.state.resize_failure = Failure("Error", text, self.shared.now() + RETRY_SECONDS)
        else:
            self.state.resize_failure = None

    async def _spare_memory_in_use(self, step: Resize, limit: int) -> None:
        """A limit below what is in use would have the kernel kill the container; upstream waits until it is less."""
        old = value_of(self.state.applied[step.run_id].limits, "memory")
        if limit <= 0 or (old > 0 and limit >= old):
            return
        used = (await self.shared.runtime.container_stats(step.run_id)).memory_usage
        if used > limit:
            text = f"attempting to set container {go_quoted(step.container.name)} memory limit ({limit}) below current usage ({used})"
            raise RuntimeFailure(text)

    async def _remove(self, run_id: str) -> None:
        """The run with its log and its termination message."""
        run = next((candidate for candidate in self.state.all_runs() if candidate.id == run_id), None)
        await self.shared.runtime.remove_container(run_id)
        self.drop_run(run_id)
        if run is None:
            return
        self.state.lost[run.name] = max(run.attempt, self.state.lost.get(run.name, run.attempt))
        folder = f"{self.shared.paths.pod_logs(self.pod)}/{run.name}"
        logs = [f"{folder}/{name}" for name in await self.shared.host.list_directory(folder) if name.startswith(f"{run.attempt}.log")]
        for path in (*logs, message_path(self.shared.paths, self.pod.metadata.uid, run.name, run.attempt)):
            await self.shared.host.remove_tree(path)

    def _back_off(self, step: BackingOff) -> None:
        container = container_of(self.pod, step.name)
        name = f"{step.name} in pod {format_pod(self.pod)}"
        self.record_event("Warning", "BackOff", f"Back-off restarting failed container {name}", container)
        message = f"back-off {go_duration(step.seconds)} restarting failed container={step.name} pod={format_pod(self.pod)}"
        self.state.failures[step.name] = Failure("CrashLoopBackOff", message, step.until)

    async def _start(self, step: Start) -> None:
        container, state = step.container, self.state
        newest = state.newest(container.name)
        if newest is not None and newest.exited:
            if await self._pause() == 0.0:
                return  # it ended with its sandbox; the planner will see to a new one
            entry = state.back_offs.get(container.name)
            state.back_offs[container.name] = backoff.used(entry, newest.finished_at, self.shared.now())
        if state.resizing:
            await self._set_cgroup(widest(self._cgroup_as_it_is(), self._own_cgroup()))  # or the container would not fit into it
        try:
            run = await self._create_and_start(container, step.attempt)
        except PullFailure as error:
            self._failed(container, error.reason, str(error), error.reason, error.retry_at)
            return
        except LaunchError as error:
            own = error.reason.startswith("CreateContainer") or error.reason == NOT_STARTED
            pause = min(await self._pause(), NOT_STARTED_SECONDS) if error.reason == NOT_STARTED else await self._pause()
            self._failed(container, error.reason, str(error), str(error) if own else error.reason, self.shared.now() + pause)
            return
        state.failures.pop(container.name, None)
        state.applied[run.id] = container.resources
        if state.resizing:
            await self._set_cgroup(self._cgroup_as_it_is())
        if container.lifecycle is not None and container.lifecycle.postStart is not None and run.running:
            await self._post_start(container, run)

    async def _pause(self) -> float:
        """How long to leave a container alone that failed; not at all when its sandbox has died, for in a new one it may start."""
        await self.refresh_sandboxes()
        sandbox = self.state.sandbox
        return RETRY_SECONDS if sandbox is not None and sandbox.ready else 0.0

    def _failed(self, container: AnyContainer, reason: str, message: str, told: str, retry_at: float) -> None:
        self.record_event("Warning", "Failed", f"Error: {told}", container)
        self.state.failures[container.name] = Failure(reason, message, retry_at)

    async def _create_and_start(self, container: AnyContainer, attempt: int) -> Run:
        shared, sandbox = self.shared, self.state.sandbox
        assert sandbox is not None, "the planner starts containers in a sandbox"
        image = await self.unless_ending(shared.images.ensure(self.pod, container, partial(self.record_event, container=container)))
        config = await prepare_container(shared, self.pod, self.state, container, attempt, image)
        try:
            identifier = await shared.runtime.create_container(sandbox.id, config, self.sandbox_config())
        except RuntimeFailure as error:
            raise LaunchError("CreateContainerError", str(error)) from error
        self.register(identifier)
        self.record_event("Normal", "Created", f"Created container: {container.name}", container)
        try:
            await shared.runtime.start_container(identifier)
        except RuntimeFailure as error:
            await self.refresh_run(identifier)
            raise LaunchError(NOT_STARTED, str(error)) from error
        self.record_event("Normal", "Started", f"Started container {container.name}", container)
        run = await self.refresh_run(identifier)
        if run is None:
            raise LaunchError(NOT_STARTED, f"container {container.name} is gone")
        return run

    async def _post_start(self, container: AnyContainer, run: Run) -> None:
        assert container.lifecycle is not None
        self.state.hooks_pending.add(run.id)
        try:
            ips = pod_ips(self.shared, self.pod, self.state)
            hook = self.shared.hooks.run(self.pod, container, run, container.lifecycle.postStart, ips[0] if ips else "")
            error = await self.unless_ending(hook)
        finally:
            self.state.hooks_pending.discard(run.id)
        if error:
            self.record_event("Warning", "FailedPostStartHook", "PostStartHook failed", container)
            self.state.failures[container.name] = Failure("PostStartHookError", error, self.shared.now())
            await killing.kill_run(self, run, "FailedPostStartHook")
