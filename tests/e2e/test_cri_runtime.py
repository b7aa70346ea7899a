"""containerd through CRI keeps the same promises as the simulated runtime."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cluster.state import Places
from pilothouse.kit.clock import SystemClock, wait_for
from pilothouse.kubelet.runtime.cri import CriRuntime
from pilothouse.kubelet.runtime.port import Runtime
from pilothouse.testing.conformance.runtime import RuntimeConformance
from tests.e2e.conftest import NAME

COMMANDS = {
    "forever": ["sleep", "3600"],
    "stubborn": ["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"],
    "exits 0": ["true"],
    "exits 3": ["sh", "-c", "exit 3"],
}


class TestContainerd(RuntimeConformance):
    @pytest.fixture(autouse=True)
    def _beside_a_cluster(self, kubeconfig: Path, tmp_path: Path) -> None:
        self.log_directory = str(tmp_path)

    def open(self) -> Runtime:
        return CriRuntime(str(Places(NAME, Path("/")).containerd.socket), SystemClock())

    def program(self, kind: str) -> tuple[str, list[str]]:
        return "pilothouse.local/busybox:1", COMMANDS[kind]

    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def after(self, work: Any, seconds: float = 5.0) -> Any:
        return await wait_for(SystemClock(), work, seconds + 25)
