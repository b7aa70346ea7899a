"""The wall time of a node is set, forward or back: by NTP, by an operator, by the end of a suspend. Pods do not notice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from pilothouse.api.types.core_v1 import ConfigMapVolumeSource, Container, Event, Pod, Probe, TCPSocketAction, Volume
from pilothouse.client.call import Options
from pilothouse.kubelet.runtime.port import RuntimeFailure
from pilothouse.kubelet.runtime.sandboxes import SandboxConfig
from pilothouse.kubelet.runtime.simulated_containers import Behaviour
from tests.unit.kubelet.harness import Node, a_pod, node

DAY = 86400.0
JUMPS = pytest.mark.parametrize("seconds", [-DAY, -5.0, 5.0, DAY], ids=["a day back", "5 s back", "5 s forward", "a day forward"])


def restarts(pod: Pod) -> int:
    return sum(one.restartCount for one in pod.status.containerStatuses)


async def crash_looping(one: Node) -> Callable[[], Awaitable[bool]]:
    one.runtime.behave("app:1", Behaviour(run_seconds=1, exit_code=1))
    before = restarts(await one.run(a_pod(), 60))

    async def goes_on() -> bool:
        return restarts(await one.pod("web")) >= before + 2

    return goes_on


async def image_that_cannot_be_pulled(one: Node) -> Callable[[], Awaitable[bool]]:
    one.runtime.images_fail("app:1")
    await one.run(a_pod(), 60)
    one.runtime.images_work("app:1")
    return lambda: is_ready(one)


async def volume_that_is_missing(one: Node) -> Callable[[], Awaitable[bool]]:
    volume = Volume(name="v", configMap=ConfigMapVolumeSource(name="later"))
    await one.run(a_pod(volumes=[volume]), 30)
    before = await told(one, "FailedMount")

    async def goes_on() -> bool:
        return await told(one, "FailedMount") >= before + 10

    return goes_on


async def sandbox_that_fails(one: Node) -> Callable[[], Awaitable[bool]]:
    works = one.runtime.run_pod_sandbox

    async def fails(config: SandboxConfig, runtime_handler: str = "") -> str:
        raise RuntimeFailure("no network yet")

    one.runtime.run_pod_sandbox = fails  # type: ignore[method-assign]
    await one.run(a_pod(), 30)
    one.runtime.run_pod_sandbox = works  # type: ignore[method-assign]
    return lambda: is_ready(one)


async def readiness_probe(one: Node) -> Callable[[], Awaitable[bool]]:
    probe = Probe(tcpSocket=TCPSocketAction(port=80), initialDelaySeconds=20, periodSeconds=5)
    await one.run(a_pod("web", Container(name="app", image="app:1", readinessProbe=probe)), 2)
    return lambda: is_ready(one)


async def is_ready(one: Node) -> bool:
    return any(condition.type == "Ready" and condition.status == "True" for condition in (await one.pod("web")).status.conditions)


async def told(one: Node, reason: str) -> int:
    return sum(event.count or 1 for event in (await one.client.list(Event)).items if event.reason == reason)


@JUMPS
@pytest.mark.parametrize(
    "waiting", [crash_looping, image_that_cannot_be_pulled, volume_that_is_missing, sandbox_that_fails, readiness_probe]
)
async def test_what_a_pod_waits_for_comes_whatever_the_clock_says(
    waiting: Callable[[Node], Awaitable[Callable[[], Awaitable[bool]]]], seconds: float
) -> None:
    async with node() as one:
        goes_on = await waiting(one)
        one.clock.jump(seconds)
        await one.advance(700)
        assert await goes_on()


@JUMPS
async def test_a_pod_ends_within_its_grace_period_whatever_the_clock_says(seconds: float) -> None:
    async with node() as one:
        one.runtime.behave("app:1", Behaviour(stop_seconds=1000))
        await one.run(a_pod())
        await one.client.delete(Pod, "web", "default", options=Options(grace_period_seconds=30))
        await one.advance(5)
        one.clock.jump(seconds)
        await one.advance(20)
        assert await one.pods() == ["web"]
        await one.advance(10)
        assert await one.pods() == []


@JUMPS
async def test_a_container_that_runs_is_left_alone(seconds: float) -> None:
    async with node() as one:
        await one.run(a_pod())
        one.clock.jump(seconds)
        await one.advance(700)
        assert restarts(await one.pod("web")) == 0
        assert await is_ready(one)
