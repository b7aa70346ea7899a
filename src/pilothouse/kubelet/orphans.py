"""Containers that are there when the kubelet starts: of Pods that still exist, and of Pods that are gone.

The runtime's labels say whose they are. Pods that the API still has are adopted with all their runs; the rest is ended and swept
away, and so are the directories and logs of pods that have neither.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Iterable

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.launch.resources import ROOT
from pilothouse.kubelet.paths import uid_of_logs
from pilothouse.kubelet.pods.identity import POD_UID, run_of, sandbox_of
from pilothouse.kubelet.pods.node_services import NodeServices
from pilothouse.kubelet.pods.observed import PodSandbox, Run
from pilothouse.kubelet.pods.spec import container_of
from pilothouse.kubelet.pods.termination_message import termination_message
from pilothouse.kubelet.pods.workers import PodWorkers
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.kubelet.runtime.port import NotFound
from pilothouse.kubelet.runtime.sandboxes import Sandbox

log = logging.getLogger(__name__)
ORPHAN_GRACE_SECONDS = 2


async def adopt(shared: NodeServices, workers: PodWorkers, pods: Iterable[Pod]) -> None:
    """Start a worker for every Pod, with the sandboxes and containers that exist."""
    sandboxes, runs = await _found(shared)
    for uid, pod in {pod.metadata.uid: pod for pod in pods}.items():
        workers.update(pod, sandboxes.get(uid, []), runs.get(uid, []))
        worker = workers.get(uid)
        for run in runs.get(uid, []):
            known = container_of(pod, run.name)
            if worker is not None and run.exited and known is not None:
                run.message = await termination_message(shared, pod, known, run) or run.message


async def end_orphans(shared: NodeServices, wanted: Collection[str]) -> None:
    """End the containers of all Pods but the `wanted` ones (by uid), and remove what is left of them."""
    sandboxes, runs = await _found(shared)
    for uid in [uid for uid in (sandboxes.keys() | runs.keys()) if uid not in wanted]:
        await _end(shared, sandboxes.get(uid, []), runs.get(uid, []))
    for uid in await shared.host.list_directory(shared.paths.pods):
        if uid not in wanted:
            await _unless_in_use(uid, _sweep(shared, uid))
    for name in await shared.host.list_directory(shared.paths.logs):
        if uid_of_logs(name) not in wanted:
            await _unless_in_use(uid_of_logs(name), shared.host.remove_tree(f"{shared.paths.logs}/{name}"))


async def _sweep(shared: NodeServices, uid: str) -> None:
    await shared.volumes.release(uid)
    for middle in ("", "/burstable", "/besteffort"):
        await shared.cgroups.remove(f"{shared.config.cgroup_root}/{ROOT}{middle}/pod{uid}")


async def _unless_in_use(uid: str, work: Awaitable[None]) -> None:
    """What somebody still uses is left for the next beginning: no pod must wait for it."""
    try:
        await work
    except OSError as error:
        log.warning("what is left of a pod cannot be taken away", extra={"uid": uid, "error": str(error)})


async def _found(shared: NodeServices) -> tuple[dict[str, list[PodSandbox]], dict[str, list[Run]]]:
    """Sandboxes and runs by the uid of their pod."""
    sandboxes: dict[str, list[PodSandbox]] = {}
    runs: dict[str, list[Run]] = {}
    for sandbox in await shared.runtime.list_pod_sandboxes():
        await _add_sandbox(shared, sandbox, sandboxes)
    for container in await shared.runtime.list_containers():
        uid = container.labels.get(POD_UID)
        if uid is None:
            continue
        try:
            runs.setdefault(uid, []).append(run_of(await shared.runtime.container_status(container.id)))
        except NotFound:
            continue
    return sandboxes, runs


async def _add_sandbox(shared: NodeServices, sandbox: Sandbox, sandboxes: dict[str, list[PodSandbox]]) -> None:
    uid = sandbox.labels.get(POD_UID) or sandbox.uid  # others' sandboxes, which a client of the runtime left, have no labels
    try:
        sandboxes.setdefault(uid, []).append(sandbox_of(await shared.runtime.pod_sandbox_status(sandbox.id)))
    except NotFound:
        return


async def end_unknown(shared: NodeServices, uid: str, sandboxes: Iterable[Sandbox]) -> None:
    """End the containers in the sandboxes of a Pod that this kubelet does not know, and remove what is left of it."""
    for sandbox in sandboxes:
        containers = await shared.runtime.list_containers(sandbox.id)
        alive = [container.id for container in containers if container.state is not ContainerState.EXITED]
        await asyncio.gather(*(shared.runtime.stop_container(container_id, ORPHAN_GRACE_SECONDS) for container_id in alive))
        await shared.runtime.stop_pod_sandbox(sandbox.id)
        await shared.runtime.remove_pod_sandbox(sandbox.id)
    await _unless_in_use(uid, _sweep(shared, uid))


async def _end(shared: NodeServices, sandboxes: list[PodSandbox], runs: list[Run]) -> None:
    alive = [run.id for run in runs if not run.exited]
    await asyncio.gather(*(shared.runtime.stop_container(container_id, ORPHAN_GRACE_SECONDS) for container_id in alive))
    for sandbox in sandboxes:
        await shared.runtime.remove_pod_sandbox(sandbox.id)
