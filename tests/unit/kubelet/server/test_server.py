"""Who may use the kubelet's server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from pilothouse.api.types.core_v1 import Pod
from pilothouse.cluster import certificates
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.kubelet.runtime.port import Runtime
from pilothouse.kubelet.server.server import KubeletServer, KubeletTLS

LEAVES = (
    certificates.Subject("kubelet", "system:node:n1", ["system:nodes"], ["127.0.0.1"]),
    certificates.Subject("admin", "kube-apiserver-kubelet-client", ["system:masters"]),
    certificates.Subject("developer", "jane", ["developers"]),
)


class NoPods:
    def pods(self) -> list[Pod]:
        return []


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[KubeletServer]:
    certificates.make(tmp_path, LEAVES, SystemClock(), Entropy())
    tls = KubeletTLS(str(tmp_path / "ca.crt"), str(tmp_path / "kubelet.crt"), str(tmp_path / "kubelet.key"))
    made = KubeletServer(NoPods(), cast(Runtime, None), SystemClock(), tls=tls)
    task = asyncio.create_task(made.run())
    await made.started.wait()
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("who", "path", "status", "text"),
    [
        ("", "/healthz", 200, "ok"),
        ("", "/healthz/syncloop", 200, "ok"),
        ("", "/healthz?verbose", 200, "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n"),
        ("admin", "/healthz/nothing", 404, "404 page not found"),
        ("", "/configz", 401, "Unauthorized"),
        ("admin", "/configz", 200, '"evictionHard":{"memory.available":"100Mi"'),
        ("admin", "/configz", 200, '"cpuCFSQuotaPeriod":"100ms"'),
        ("", "/pods", 401, "Unauthorized"),
        ("developer", "/pods", 403, "Forbidden (user=jane, verb=get, resource=nodes, subresource=proxy)"),
        ("admin", "/pods", 200, '"kind":"PodList"'),
        ("admin", "/nowhere", 404, "404 page not found"),
        ("admin", "/containerLogs/default/gone/c", 404, 'pod "gone" does not exist'),
        ("admin", "/exec/default/gone/c?command=x&output=1", 404, 'pod "gone" does not exist'),
    ],
)
async def test_only_masters_come_in(server: KubeletServer, tmp_path: Path, who: str, path: str, status: int, text: str) -> None:
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    if who:
        context.load_cert_chain(str(tmp_path / f"{who}.crt"), str(tmp_path / f"{who}.key"))
    async with aiohttp.ClientSession() as session, session.get(f"https://127.0.0.1:{server.port}{path}", ssl=context) as answer:
        assert answer.status == status
        assert text in await answer.text()
