"""Lifecycle handlers: exec, httpGet and sleep."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import HTTPGetAction, LifecycleHandler, Pod
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.pods.observed import Run
from pilothouse.kubelet.pods.spec import format_pod
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.probes.port import MINOR_VERSION, Network
from pilothouse.kubelet.probes.target import NoSuchPort, port_number
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure
from pilothouse.machinery.quoting import go_quoted

HTTP_SECONDS = 60.0
HEADERS = {"User-Agent": f"kube-lifecycle/{MINOR_VERSION}", "Accept": "*/*"}


class LifecycleHooks:
    """Runs lifecycle handlers: exec, httpGet and sleep."""

    def __init__(self, runtime: Runtime, network: Network, clock: Clock) -> None:
        self._runtime = runtime
        self._network = network
        self._clock = clock

    async def run(self, pod: Pod, container: AnyContainer, run: Run, handler: object, pod_ip: str) -> str:
        """Run a handler once. Returns "" on success, else why it failed."""
        assert isinstance(handler, LifecycleHandler)
        if handler.exec is not None:
            return await self._exec(pod, container, run, handler.exec.command)
        if handler.httpGet is not None:
            return await self._http(pod, container, handler.httpGet, pod_ip)
        if handler.sleep is not None:
            await self._clock.sleep(float(handler.sleep.seconds))
            return ""
        return "Cannot run handler: invalid handler: tcpSocket"  # the API still takes it, and upstream's kubelet refuses it too

    async def _exec(self, pod: Pod, container: AnyContainer, run: Run, command: list[str]) -> str:
        said, line = "", " ".join(command)
        try:
            result = await self._runtime.exec_sync(run.id, command)
        except RuntimeFailure as failure:
            error = str(failure)
        else:
            if result.exit_code == 0:
                return ""
            said = (result.stdout + result.stderr).decode(errors="replace")
            error = f"command '{line}' exited with {result.exit_code}: {result.stderr.decode(errors='replace')}"
        return f"Exec lifecycle hook ([{line}]) {_place(pod, container)} failed - error: {error}, message: {go_quoted(said)}"

    async def _http(self, pod: Pod, container: AnyContainer, action: HTTPGetAction, pod_ip: str) -> str:
        """Any answer is a good one, whatever its status."""
        try:
            port = port_number(action.port, container)
        except NoSuchPort as failure:
            error = str(failure)
        else:
            result = await self._network.http_get(action, action.host or pod_ip, port, HTTP_SECONDS, HEADERS)
            error = "" if result.answered else result.error
        return f"HTTP lifecycle hook ({action.path}) {_place(pod, container)} failed - error: {error}" if error else ""


def _place(pod: Pod, container: AnyContainer) -> str:
    return f"for Container {go_quoted(container.name)} in Pod {go_quoted(format_pod(pod))}"
