"""Interface of network probes, so that simulated nodes need no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pilothouse import KUBERNETES_VERSION
from pilothouse.api.types.core_v1 import HTTPGetAction

MINOR_VERSION = KUBERNETES_VERSION.removeprefix("v").rpartition(".")[0]
"""As user agents of probes and hooks tell it: `1.37`."""


@dataclass(slots=True, frozen=True)
class ProbeResult:
    """Result of one probe. With none of the fields set it is a success."""

    error: str = ""
    """Failure, as the Unhealthy event says it; `failed` alone is a failure without words."""
    warning: str = ""
    """A success that is none quite."""
    unknown: str = ""
    """The probe itself could not be made; upstream tells that and otherwise throws the result away."""
    failed: bool = False
    answered: bool = False
    """Somebody spoke HTTP, whatever he said."""


class Network(Protocol):
    """Network probes. They never raise for failures of the target; each takes at most `seconds`."""

    async def http_get(self, action: HTTPGetAction, host: str, port: int, seconds: float, headers: Mapping[str, str]) -> ProbeResult:
        """GET over HTTP or HTTPS: success for a status from 200 to 399."""

    async def tcp_connect(self, host: str, port: int, seconds: float) -> ProbeResult:
        """Open a TCP connection: success when it opens."""

    async def grpc_check(self, host: str, port: int, service: str, seconds: float) -> ProbeResult:
        """gRPC's health check: success for SERVING."""
