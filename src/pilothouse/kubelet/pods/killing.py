"""Killing containers: preStop hook, stop signal, and their order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pilothouse.kit.clock import wait_for
from pilothouse.kubelet.launch.launcher import pod_ips
from pilothouse.kubelet.pods.interruption import Interrupted, first
from pilothouse.kubelet.pods.observed import Run
from pilothouse.kubelet.pods.spec import container_of, grace_seconds
from pilothouse.kubelet.pods.steps import AnyContainer, Kill, KillAll

if TYPE_CHECKING:
    from pilothouse.kubelet.pods.pod_runtime import PodRuntime

SMALLEST_GRACE_SECONDS = 2
"""Upstream gives every container this long, however little is asked for."""


async def kill_all(runtime: PodRuntime, step: KillAll) -> None:
    """Kill containers concurrently, each after those that it must outlive; starts over when the grace period is shortened."""
    runtime.grace_shortened.clear()
    over = {kill.run_id: asyncio.Event() for kill in step.kills}
    work = asyncio.gather(*(_kill(runtime, kill, over) for kill in step.kills), return_exceptions=True)
    try:
        results = await first(work, runtime.grace_shortened)
    except Interrupted:
        return
    for result in results:
        if isinstance(result, BaseException):
            raise result  # the others had their time all the same; the worker comes back to this one


async def kill_run(runtime: PodRuntime, run: Run, message: str) -> None:
    """Kill one container with the Pod's grace period."""
    await _kill(runtime, Kill(run.id, run.name, grace_seconds(runtime.pod), message), {run.id: asyncio.Event()})


async def _kill(runtime: PodRuntime, kill: Kill, over: dict[str, asyncio.Event]) -> None:
    container = container_of(runtime.pod, kill.name)
    if kill.run_id not in runtime.killing_reported:
        runtime.killing_reported.add(kill.run_id)
        runtime.record_event("Normal", "Killing", kill.message or f"Stopping container {kill.name}", container)
    began = runtime.shared.clock.monotonic()
    if container is not None and container.lifecycle is not None and container.lifecycle.preStop is not None:
        await _pre_stop(runtime, container, kill)
    await _wait_turn(runtime, kill, over, kill.grace_seconds - (runtime.shared.clock.monotonic() - began))
    left = kill.grace_seconds - int(runtime.shared.clock.monotonic() - began)
    await runtime.shared.runtime.stop_container(kill.run_id, max(left, SMALLEST_GRACE_SECONDS))
    await runtime.refresh_run(kill.run_id)
    over[kill.run_id].set()


async def _pre_stop(runtime: PodRuntime, container: AnyContainer, kill: Kill) -> None:
    run = next((candidate for candidate in runtime.state.runs.get(kill.name, []) if candidate.id == kill.run_id), None)
    if run is None or container.lifecycle is None or not run.running:
        return
    ips = pod_ips(runtime.shared, runtime.pod, runtime.state)
    hook = runtime.shared.hooks.run(runtime.pod, container, run, container.lifecycle.preStop, ips[0] if ips else "")
    error = await _within(runtime, asyncio.ensure_future(hook), kill.grace_seconds)
    if error:
        runtime.record_event("Warning", "FailedPreStopHook", "PreStopHook failed", container)


async def _within(runtime: PodRuntime, work: asyncio.Future[str], seconds: float) -> str:
    try:
        return await wait_for(runtime.shared.clock, work, seconds)
    except TimeoutError:
        return "not completed in grace period"


async def _wait_turn(runtime: PodRuntime, kill: Kill, over: dict[str, asyncio.Event], seconds: float) -> None:
    """Until those that come before are over, or the time is up."""
    events = [over[name].wait() for name in kill.after if name in over]
    if not events:
        return
    try:
        await wait_for(runtime.shared.clock, asyncio.gather(*events), max(seconds, 0.0))
    except TimeoutError:
        return
