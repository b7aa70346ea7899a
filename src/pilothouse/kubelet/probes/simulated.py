"""Network probes of simulated nodes: they succeed unless a container's `Behaviour` says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pilothouse.api.types.core_v1 import HTTPGetAction
from pilothouse.kubelet.probes.port import ProbeResult


class SimulatedNetwork:
    """Network probes of simulated nodes. `answer(kind, host, port)` says whether a probe succeeds."""

    def __init__(self, answer: Callable[[str, str, int], bool] | None = None) -> None:
        self._answer = answer

    async def http_get(self, action: HTTPGetAction, host: str, port: int, seconds: float, headers: Mapping[str, str]) -> ProbeResult:
        """The scripted answer for kind `httpGet`."""
        said = self._say("httpGet", host, port, "HTTP probe failed with statuscode: 500")
        return replace(said, answered=True)

    async def tcp_connect(self, host: str, port: int, seconds: float) -> ProbeResult:
        """The scripted answer for kind `tcpSocket`."""
        return self._say("tcpSocket", host, port, f"dial tcp {host}:{port}: connect: connection refused")

    async def grpc_check(self, host: str, port: int, service: str, seconds: float) -> ProbeResult:
        """The scripted answer for kind `grpc`."""
        return self._say("grpc", host, port, 'service unhealthy (responded with "NOT_SERVING")')

    def _say(self, kind: str, host: str, port: int, error: str) -> ProbeResult:
        return ProbeResult("" if self._answer is None or self._answer(kind, host, port) else error)
