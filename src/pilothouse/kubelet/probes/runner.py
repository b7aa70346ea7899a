"""Runs one probe once: exec, HTTP, TCP or gRPC."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Pod, Probe
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.pods.observed import Run
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.probes.port import MINOR_VERSION, Network, ProbeResult
from pilothouse.kubelet.probes.target import NoSuchPort, port_number
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure

OUTPUT_LIMIT = 10 * 1024
"""What of a command's output stands in the event."""


class ProbeRunner:
    """Runs one probe once: exec, HTTP, TCP or gRPC."""

    def __init__(self, runtime: Runtime, network: Network, clock: Clock) -> None:
        self._runtime = runtime
        self._network = network
        self._clock = clock

    async def run(self, pod: Pod, container: AnyContainer, run: Run, probe: Probe, kind: str, pod_ip: str) -> ProbeResult:
        """Run a probe once. `kind` is liveness, readiness or startup. Returns an unknown result when the probe cannot run; never raises."""
        try:
            return await self._ask(pod, container, run, probe, pod_ip)
        except NoSuchPort as error:
            return ProbeResult(unknown=str(error))

    async def _ask(self, pod: Pod, container: AnyContainer, run: Run, probe: Probe, pod_ip: str) -> ProbeResult:
        seconds = float(probe.timeoutSeconds or 1)
        if probe.exec is not None:
            return await self._exec(run, probe.exec.command, seconds)
        if probe.httpGet is not None:
            host = probe.httpGet.host or pod_ip
            headers = {"User-Agent": f"kube-probe/{MINOR_VERSION}", "Accept": "*/*"}
            return await self._network.http_get(probe.httpGet, host, port_number(probe.httpGet.port, container), seconds, headers)
        if probe.tcpSocket is not None:
            port = port_number(probe.tcpSocket.port, container)
            return await self._network.tcp_connect(probe.tcpSocket.host or pod_ip, port, seconds)
        if probe.grpc is not None:
            return await self._network.grpc_check(pod_ip, probe.grpc.port, probe.grpc.service or "", seconds)
        return ProbeResult("missing probe handler for container")

    async def _exec(self, run: Run, command: list[str], seconds: float) -> ProbeResult:
        try:
            result = await self._runtime.exec_sync(run.id, command, seconds)
        except RuntimeFailure as error:
            if error.code == "DEADLINE_EXCEEDED":
                return ProbeResult(f'command timed out: "{" ".join(command)}" timed out after {seconds:g}s')
            return ProbeResult(unknown=error.status_text)
        if result.exit_code == 0:
            return ProbeResult()
        output = (result.stdout + result.stderr)[:OUTPUT_LIMIT].decode(errors="replace")
        return ProbeResult(output, failed=True)
