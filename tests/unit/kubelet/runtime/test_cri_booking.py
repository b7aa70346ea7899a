"""An exit is told when CRI shows it, however late that is after containerd's own event."""

from __future__ import annotations

from typing import Any

import pytest
from cri_api.v1 import api_pb2

from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.runtime.cri import CriRuntime
from pilothouse.kubelet.runtime.cri_events import Notice
from pilothouse.kubelet.runtime.port import EventType, RuntimeEvent


class Showing(CriRuntime):
    """Its CRI shows these states of a container, one after another."""

    def __init__(self, *states: str) -> None:
        super().__init__("/nowhere", SystemClock())
        self.states = [*states]

    async def _call(self, method: str, request: Any, *, limit: float | None = None) -> Any:
        state = api_pb2.ContainerState.Value(self.states.pop(0))
        return api_pb2.ContainerStatusResponse(status=api_pb2.ContainerStatus(id=request.container_id, state=state))


@pytest.mark.parametrize(
    "states",
    [
        pytest.param(["CONTAINER_EXITED"], id="booked before the event came"),
        pytest.param(["CONTAINER_RUNNING", "CONTAINER_EXITED"], id="booked after it"),
        pytest.param(["CONTAINER_CREATED", "CONTAINER_RUNNING", "CONTAINER_EXITED"], id="over before its start was booked"),
        pytest.param(["CONTAINER_UNKNOWN"], id="in no clear state"),
    ],
)
async def test_a_stop_is_told_once_it_is_booked(states: list[str]) -> None:
    runtime = Showing(*states)
    told = await runtime._event(Notice(EventType.CONTAINER_STOPPED, "c", 1.0))
    await runtime.close()
    assert (told, runtime.states) == (RuntimeEvent(EventType.CONTAINER_STOPPED, "c", "", 1.0), [])
