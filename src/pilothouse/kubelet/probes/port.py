"""How a probe reaches into the network: the port, so that simulated nodes need none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pilothouse.api.types.core_v1 import HTTPGetAction


@dataclass(slots=True, frozen=True)
class Answer:
    """`error` is "" for success, or what the Unhealthy event says; `warning` stands with a success that is none quite."""

    error: str = ""
    warning: str = ""


class Network(Protocol):
    """Never raises for what a target does; at most `seconds` each."""

    async def http_get(self, action: HTTPGetAction, host: str, port: int, seconds: float, headers: Mapping[str, str]) -> Answer: ...

    async def tcp_connect(self, host: str, port: int, seconds: float) -> Answer: ...

    async def grpc_check(self, host: str, port: int, service: str, seconds: float) -> Answer: ...
