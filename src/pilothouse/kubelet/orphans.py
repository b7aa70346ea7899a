"""What a kubelet finds when it begins: containers of pods that it is to go on with, and of pods that are no more.

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
from pilothouse.kubelet.pods.context import last_words
from pilothouse.kubelet.pods.identity import POD_UID, box_of, run_of
from pilothouse.kubelet.pods.observed import Box, Run
from pilothouse.kubelet.pods.spec import container_of
from pilothouse.kubelet.pods.workers import PodWorkers
from pilothouse.kubelet.pods.workshop import Workshop
from pilothouse.kubelet.runtime.port import ContainerState, NotFound, Sandbox

log = logging.getLogger(__name__)
ORPHAN_GRACE_SECONDS = 2


async def adopt(shop: Workshop, workers: PodWorkers, pods: Iterable[Pod]) -> None:
    """Give every pod a worker that knows what is there of it."""
    boxes, runs = await _found(shop)
    for uid, pod in {pod.metadata.uid: pod for pod in pods}.items():
        workers.update(pod, boxes.get(uid, []), runs.get(uid, []))
        worker = workers.get(uid)
        for run in runs.get(uid, []):
            known = container_of(pod, run.name)
            if worker is not None and run.exited and known is not None:
                run.message = await last_words(worker.executor, known, run) or run.message


async def end_others(shop: Workshop, wanted: Collection[str]) -> None:
    """End what runs of pods that are not wanted (by their uid), and take away what is left of them."""
    boxes, runs = await _found(shop)
    for uid in [uid for uid in (boxes.keys() | runs.keys()) if uid not in wanted]:
        await _end(shop, boxes.get(uid, []), runs.get(uid, []))
    for uid in await shop.host.list_directory(shop.paths.pods):
        if uid not in wanted:
            await _unless_in_use(uid, _sweep(shop, uid))
    for name in await shop.host.list_directory(shop.paths.logs):
        if uid_of_logs(name) not in wanted:
            await _unless_in_use(uid_of_logs(name), shop.host.remove_tree(f"{shop.paths.logs}/{name}"))


async def _sweep(shop: Workshop, uid: str) -> None:
    await shop.volumes.release(uid)
    for middle in ("", "/burstable", "/besteffort"):
        await shop.cgroups.remove(f"{shop.config.cgroup_root}/{ROOT}{middle}/pod{uid}")


async def _unless_in_use(uid: str, work: Awaitable[None]) -> None:
    """What somebody still uses is left for the next beginning: no pod must wait for it."""
    try:
        await work
    except OSError as error:
        log.warning("what is left of a pod cannot be taken away", extra={"uid": uid, "error": str(error)})


async def _found(shop: Workshop) -> tuple[dict[str, list[Box]], dict[str, list[Run]]]:
    """Sandboxes and runs by the uid of their pod."""
    boxes: dict[str, list[Box]] = {}
    runs: dict[str, list[Run]] = {}
    for sandbox in await shop.runtime.list_pod_sandboxes():
        await _add_sandbox(shop, sandbox, boxes)
    for container in await shop.runtime.list_containers():
        uid = container.labels.get(POD_UID)
        if uid is None:
            continue
        try:
            runs.setdefault(uid, []).append(run_of(await shop.runtime.container_status(container.id)))
        except NotFound:
            continue
    return boxes, runs


async def _add_sandbox(shop: Workshop, sandbox: Sandbox, boxes: dict[str, list[Box]]) -> None:
    uid = sandbox.labels.get(POD_UID) or sandbox.uid  # others' sandboxes, which a client of the runtime left, have no labels
    try:
        boxes.setdefault(uid, []).append(box_of(await shop.runtime.pod_sandbox_status(sandbox.id)))
    except NotFound:
        return


async def end_unknown(shop: Workshop, uid: str, sandboxes: Iterable[Sandbox]) -> None:
    """End what runs in the sandboxes of a pod that this kubelet does not know, and take away what is left of it."""
    for sandbox in sandboxes:
        containers = await shop.runtime.list_containers(sandbox.id)
        alive = [container.id for container in containers if container.state is not ContainerState.EXITED]
        await asyncio.gather(*(shop.runtime.stop_container(container_id, ORPHAN_GRACE_SECONDS) for container_id in alive))
        await shop.runtime.stop_pod_sandbox(sandbox.id)
        await shop.runtime.remove_pod_sandbox(sandbox.id)
    await _unless_in_use(uid, _sweep(shop, uid))


async def _end(shop: Workshop, boxes: list[Box], runs: list[Run]) -> None:
    alive = [run.id for run in runs if not run.exited]
    await asyncio.gather(*(shop.runtime.stop_container(one, ORPHAN_GRACE_SECONDS) for one in alive))
    for box in boxes:
        await shop.runtime.remove_pod_sandbox(box.id)
