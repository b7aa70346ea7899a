"""Lifecycle handlers: what counts as success, and what a failure is called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from pilothouse.api.types.core_v1 import Container, ExecAction, HTTPGetAction, LifecycleHandler, Pod, SleepAction, TCPSocketAction
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.kubelet.hooks import LifecycleHooks
from pilothouse.kubelet.pods.observed import Run
from pilothouse.kubelet.probes.port import ProbeResult
from pilothouse.kubelet.probes.simulated import SimulatedNetwork
from pilothouse.kubelet.runtime.containers import ContainerState, ExecResult
from pilothouse.kubelet.runtime.port import RuntimeFailure
from pilothouse.kubelet.runtime.simulated import SimulatedRuntime
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.kubelet.harness import node

POD = Pod(metadata=ObjectMeta(name="web", namespace="default", uid="u-1"))
APP = Container(name="app", image="app:1")
RUN = Run("id", "app", 0, "box", ContainerState.RUNNING)
PLACE = 'for Container "app" in Pod "web_default(u-1)" failed - error:'


class Answering(SimulatedNetwork):
    """Gives one answer, and notes the headers."""

    def __init__(self, answer: ProbeResult) -> None:
        super().__init__()
        self.answer = answer
        self.headers: Mapping[str, str] = {}

    async def http_get(self, action: HTTPGetAction, host: str, port: int, seconds: float, headers: Mapping[str, str]) -> ProbeResult:
        self.headers = headers
        return self.answer


@asynccontextmanager
async def runtime(result: ExecResult | None) -> AsyncIterator[SimulatedRuntime]:
    """One whose commands end with `result`, or fail when that is None."""

    async def exec_sync(container_id: str, command: Sequence[str], timeout_seconds: float = 0.0) -> ExecResult:
        if result is None:
            raise RuntimeFailure("no such file")
        return result

    async with node() as one:
        one.runtime.exec_sync = exec_sync  # type: ignore[method-assign]
        yield one.runtime


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(ExecResult(b"", b"", 0), "", id="success"),
        pytest.param(
            ExecResult(b"out\n", b"bad\n", 4),
            f"Exec lifecycle hook ([sh -c x]) {PLACE} command 'sh -c x' exited with 4: bad\n, message: \"out\\nbad\\n\"",
            id="another exit code",
        ),
        pytest.param(None, f'Exec lifecycle hook ([sh -c x]) {PLACE} no such file, message: ""', id="no such command"),
    ],
)
async def test_a_command(result: ExecResult | None, expected: str) -> None:
    handler = LifecycleHandler(exec=ExecAction(command=["sh", "-c", "x"]))
    async with runtime(result) as one:
        hooks = LifecycleHooks(one, SimulatedNetwork(), VirtualClock())
        assert await hooks.run(POD, APP, RUN, handler, "10.1.1.1") == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(ProbeResult(answered=True), "", id="success"),
        pytest.param(ProbeResult("HTTP probe failed with statuscode: 500", answered=True), "", id="any answer is a success"),
        pytest.param(ProbeResult("connection refused"), f"HTTP lifecycle hook (/x) {PLACE} connection refused", id="nobody there"),
    ],
)
async def test_a_request(answer: ProbeResult, expected: str) -> None:
    network = Answering(answer)
    handler = LifecycleHandler(httpGet=HTTPGetAction(port=80, path="/x"))
    async with runtime(None) as one:
        assert await LifecycleHooks(one, network, VirtualClock()).run(POD, APP, RUN, handler, "10.1.1.1") == expected
    assert network.headers == {"User-Agent": "kube-lifecycle/1.37", "Accept": "*/*"}


async def test_a_request_to_no_port() -> None:
    handler = LifecycleHandler(httpGet=HTTPGetAction(port="none", path="/x"))
    async with runtime(None) as one:
        said = await LifecycleHooks(one, SimulatedNetwork(), VirtualClock()).run(POD, APP, RUN, handler, "10.1.1.1")
    assert said == f'HTTP lifecycle hook (/x) {PLACE} strconv.Atoi: parsing "none": invalid syntax'


async def test_a_connection_is_no_handler() -> None:
    async with runtime(None) as one:
        handler = LifecycleHandler(tcpSocket=TCPSocketAction(port=80))
        said = await LifecycleHooks(one, SimulatedNetwork(), VirtualClock()).run(POD, APP, RUN, handler, "10.1.1.1")
    assert said.startswith("Cannot run handler: invalid handler: ")


async def test_a_sleep_of_no_time_is_over_at_once() -> None:
    async with runtime(None) as one:
        handler = LifecycleHandler(sleep=SleepAction(seconds=0))
        assert await LifecycleHooks(one, SimulatedNetwork(), VirtualClock()).run(POD, APP, RUN, handler, "") == ""
