"""The way into a simulated node: the kubelet's own server, and the streaming server of its runtime, both on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kit.clock import Clock
from pilothouse.kit.component import run_all
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.runtime.simulated import SimulatedRuntime
from pilothouse.kubelet.runtime.simulated_logs import SimulatedLog
from pilothouse.kubelet.runtime.simulated_streams import SimulatedStreams
from pilothouse.kubelet.server.log_files import Running
from pilothouse.kubelet.server.logs import LogOptions, LogWriter
from pilothouse.kubelet.server.server import KubeletServer


class NodeServer:
    """Kubelet server of a simulated node. `run` it; `url` is its address once `started` is set."""

    def __init__(self, kubelet: Kubelet) -> None:
        assert isinstance(kubelet.runtime, SimulatedRuntime)
        self._kubelet = kubelet
        self._logs = kubelet.runtime.logs
        self._streams = SimulatedStreams(kubelet.runtime)
        self._server = KubeletServer(
            self,
            kubelet.runtime,
            kubelet.clock,
            node_name=kubelet.node_name,
            read_log=self._read_log,
            measure=kubelet.node_stats,
            config=kubelet.config,
        )
        self.started = self._server.started

    @property
    def url(self) -> str:
        """The URL of the kubelet's server."""
        return f"http://127.0.0.1:{self._server.port}"

    async def run(self) -> None:
        """Serve until cancelled."""
        await run_all((self._streams, self._server))

    def pods(self) -> Iterable[Pod]:
        """The Pods that the kubelet knows."""
        return self._kubelet.pods.list()

    async def _read_log(self, path: Path, options: LogOptions, clock: Clock, running: Running) -> AsyncIterator[bytes]:
        log = self._logs.get(str(path))
        if log is None:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        async for piece in read(log, options):
            yield piece


async def read(log: SimulatedLog, options: LogOptions) -> AsyncIterator[bytes]:
    """Parts of a container log as requested; following ends when the container has ended."""
    writer = LogWriter(options)
    number = 0 if options.tail_lines is None else max(log.count - options.tail_lines, 0)
    while True:
        changed, fresh, number = log.changed, [record.entry for record in log.since(number)], log.count
        if piece := writer.render(fresh):
            yield piece
        if not options.follow or log.ended or writer.full:
            return
        await changed.wait()
