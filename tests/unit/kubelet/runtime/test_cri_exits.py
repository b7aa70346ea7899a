"""Exits are told when CRI shows them, however late: the rules, and the runtime against a containerd that books when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
import pytest
from cri_api.v1 import api_pb2

from pilothouse.kit.clock import SystemClock, Timer
from pilothouse.kubelet.runtime import cri_events
from pilothouse.kubelet.runtime.cri import CriRuntime
from pilothouse.kubelet.runtime.cri_events import Notice
from pilothouse.kubelet.runtime.cri_exits import FIRST_SECONDS, LONGEST_SECONDS, STOPPING_SECONDS, PendingExits
from pilothouse.kubelet.runtime.port import EventType, RuntimeEvent
from tests.unit.kubelet.runtime.test_cri_events import envelope, field

pb: Any = api_pb2


def exit_of(name: str) -> Notice:
    return Notice(EventType.CONTAINER_STOPPED, name, 0.0)


def test_an_exit_is_looked_for_at_once_and_then_ever_more_rarely() -> None:
    exits, now, pauses = PendingExits(), 100.0, []
    exits.add(exit_of("c1"), now)
    for _ in range(20):
        assert exits.due(now) == [exit_of("c1")]
        seconds = exits.seconds(now)
        assert seconds is not None
        pauses.append(round(seconds, 6))
        now += seconds + 1e-9
    assert pauses[:4] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS, 8 * FIRST_SECONDS]
    assert pauses[-1] == LONGEST_SECONDS, "and never given up"


def test_a_booked_exit_is_looked_for_no_more() -> None:
    exits = PendingExits()
    exits.add(exit_of("c1"), 0.0)
    exits.add(exit_of("c2"), 0.0)
    exits.confirmed(exit_of("c1"))
    assert exits.due(0.0) == [exit_of("c2")]
    exits.confirmed(exit_of("c2"))
    assert exits.seconds(0.0) is None


def test_what_somebody_is_being_waited_for_to_end_is_put_off_and_looked_for_once_that_is_over() -> None:
    exits = PendingExits()
    exits.add(exit_of("c1"), 0.0)
    exits.add(exit_of("c2"), 0.0)
    for moment in (0.0, STOPPING_SECONDS, 2 * STOPPING_SECONDS):
        assert exit_of("c1") not in exits.due(moment, {"c1"})
    assert exit_of("c1") in exits.due(3 * STOPPING_SECONDS)


class FastClock(SystemClock):
    """A second of it lasts a millisecond, so that looks go on for long."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 1000)

    def call_after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return super().call_after(seconds / 1000, callback)

    def monotonic(self) -> float:
        return super().monotonic() * 1000


class Containerd:
    """The calls that events need. `states` is what CRI shows, `sandboxes` what it knows as sandboxes; `tell` sends an event."""

    def __init__(self, socket: str) -> None:
        self.states: dict[str, str] = {}
        self.sandboxes: dict[str, str] = {}
        self.refusals = 0
        """How often Status is still to be refused: the plugin is not there yet."""
        self._looks: dict[str, int] = {}
        self._looked = asyncio.Condition()
        self._told: asyncio.Queue[bytes] = asyncio.Queue()
        self._server = grpc.aio.server()
        self._server.add_insecure_port(f"unix://{socket}")
        status = pb.ContainerStatusRequest.FromString, pb.ContainerStatusResponse.SerializeToString
        sandbox = pb.PodSandboxStatusRequest.FromString, pb.PodSandboxStatusResponse.SerializeToString
        health = pb.StatusRequest.FromString, pb.StatusResponse.SerializeToString
        calls = {
            "Status": grpc.unary_unary_rpc_method_handler(self._health, *health),
            "ContainerStatus": grpc.unary_unary_rpc_method_handler(self._status, *status),
            "PodSandboxStatus": grpc.unary_unary_rpc_method_handler(self._sandbox, *sandbox),
        }
        events = {"Subscribe": grpc.unary_stream_rpc_method_handler(self._events)}
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("runtime.v1.RuntimeService", calls),
                grpc.method_handlers_generic_handler(cri_events.SUBSCRIBE.split("/")[1], events),
            )
        )

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    def tell(self, topic: str, name: str) -> None:
        self._told.put_nowait(envelope(topic, field(1, name) + field(2, name)))

    async def looked_for(self, name: str, times: int) -> None:
        async with self._looked:
            await self._looked.wait_for(lambda: self._looks.get(name, 0) >= times)

    async def _events(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        while True:
            yield await self._told.get()

    async def _health(self, request: Any, context: Any) -> Any:
        if self.refusals:
            self.refusals -= 1
            await context.abort(grpc.StatusCode.UNKNOWN, "server is not initialized yet")
        return pb.StatusResponse()

    async def _status(self, request: Any, context: Any) -> Any:
        name = request.container_id
        async with self._looked:
            self._looks[name] = self._looks.get(name, 0) + 1
            self._looked.notify_all()
        if name not in self.states:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"container {name} not found")
        state = pb.ContainerState.Value(f"CONTAINER_{self.states[name]}")
        return pb.ContainerStatusResponse(status=pb.ContainerStatus(id=name, state=state))

    async def _sandbox(self, request: Any, context: Any) -> Any:
        name = request.pod_sandbox_id
        if name not in self.sandboxes:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"sandbox {name} not found")
        state = pb.PodSandboxState.Value(f"SANDBOX_{self.sandboxes[name]}")
        return pb.PodSandboxStatusResponse(status=pb.PodSandboxStatus(id=name, state=state))


@pytest.fixture
async def containerd(tmp_path: Path) -> AsyncIterator[Containerd]:
    made = Containerd(str(tmp_path / "socket"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def told(containerd: Containerd, tmp_path: Path) -> AsyncIterator[AsyncIterator[RuntimeEvent]]:
    runtime = CriRuntime(str(tmp_path / "socket"), FastClock())
    async with aclosing(runtime.events()) as events:  # type: ignore[type-var]
        assert (await anext(events)).type is EventType.LOST
        yield events
    await runtime.close()


@pytest.mark.parametrize(
    "state",
    [pytest.param("RUNNING", id="booked after the event came"), pytest.param("CREATED", id="over before its start was booked")],
)
async def test_what_is_booked_late_is_told_late_and_holds_nobody_up(
    containerd: Containerd, told: AsyncIterator[RuntimeEvent], state: str
) -> None:
    containerd.states.update(late=state, prompt="EXITED")
    containerd.tell("/tasks/exit", "late")
    containerd.tell("/tasks/exit", "prompt")
    containerd.tell("/tasks/oom", "prompt")
    assert [(one.type, one.container_id) for one in (await anext(told), await anext(told))] == [
        (EventType.CONTAINER_STOPPED, "prompt"),
        (EventType.CONTAINER_OOM, "prompt"),
    ]
    waiting = asyncio.ensure_future(anext(told))
    await containerd.looked_for("late", 20)
    assert not waiting.done(), "CRI still says that it runs"
    containerd.states["late"] = "EXITED"
    event = await asyncio.wait_for(waiting, 60)
    assert (event.type, event.container_id) == (EventType.CONTAINER_STOPPED, "late")


async def test_the_end_of_a_sandbox_is_told_when_it_is_not_ready_any_more(
    containerd: Containerd, told: AsyncIterator[RuntimeEvent]
) -> None:
    containerd.sandboxes["pause"] = "READY"
    containerd.tell("/tasks/exit", "pause")
    waiting = asyncio.ensure_future(anext(told))
    await containerd.looked_for("pause", 3)
    assert not waiting.done()
    containerd.sandboxes["pause"] = "NOTREADY"
    event = await asyncio.wait_for(waiting, 60)
    assert (event.type, event.sandbox_id) == (EventType.SANDBOX_STOPPED, "pause")


async def test_nothing_is_listed_before_the_runtime_answers(containerd: Containerd, tmp_path: Path) -> None:
    containerd.refusals = 3
    runtime = CriRuntime(str(tmp_path / "socket"), FastClock())
    async with aclosing(runtime.events()) as events:  # type: ignore[type-var]
        assert (await anext(events)).type is EventType.LOST
        assert containerd.refusals == 0
    await runtime.close()


async def test_the_exit_of_what_is_gone_is_told_at_once(containerd: Containerd, told: AsyncIterator[RuntimeEvent]) -> None:
    containerd.tell("/tasks/exit", "gone")
    event = await asyncio.wait_for(anext(told), 60)
    assert (event.type, event.container_id) == (EventType.CONTAINER_STOPPED, "gone")
