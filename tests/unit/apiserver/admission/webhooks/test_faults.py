"""A webhook server that is killed, slow and away while two hundred clients write: every write is answered in upstream's words, what was
refused is not there, other kinds go on, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from tests.unit.apiserver.admission.webhooks.test_over_http import configure, response, rule
from tests.unit.apiserver.serving import Caller, serving
from tests.unit.apiserver.webhooks.servers import Certificate, certificate

CLIENTS, WRITES = 200, 3
PHASES = ("well", "killed", "away", "slow", "well")
DEFAULT = "/api/v1/namespaces/default"
Map = dict[str, Any]


class Flapping:
    """Answers, breaks off, hangs, or does not listen: another phase after each fifth of all writes."""

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate
        self.phase = PHASES[0]
        self.port = 0
        self.written = 0
        self.released = asyncio.Event()
        self.connections: set[asyncio.BaseTransport] = set()
        """All that have asked: one whose handshake ends after the runner does outlives it."""
        self._runner: web.AppRunner | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        review = orjson.loads(await request.read())
        assert request.transport is not None
        self.connections.add(request.transport)
        if self.phase == "killed":
            request.transport.abort()
        if self.phase == "slow":
            await self.released.wait()
        return web.Response(body=orjson.dumps(response(review)), content_type="application/json")

    async def listen(self) -> None:
        application = web.Application()
        application.router.add_post("/{tail:.*}", self.answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.certificate.context(), reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def leave(self) -> None:
        self.released.set()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        for connection in self.connections:
            connection.close()
        self.connections.clear()

    async def note_write(self) -> None:
        """Another write has been answered."""
        self.written += 1
        if self.written % (CLIENTS * WRITES // len(PHASES)) or self.written >= CLIENTS * WRITES:
            return
        self.phase = PHASES[self.written * len(PHASES) // (CLIENTS * WRITES)]
        if self.phase == "away":
            await self.leave()
        elif self._runner is None:
            self.released = asyncio.Event()
            await self.listen()
        if self.phase == "well":
            self.released.set()


async def writing(call: Caller, server: Flapping, client: int, seen: Counter[str]) -> None:
    for turn in range(WRITES):
        answer = await call("POST", f"{DEFAULT}/configmaps", {"metadata": {"name": f"c-{client}-{turn}"}})
        if answer.status == 201:
            seen["made"] += 1
        else:
            said: Map = answer.json()
            assert (answer.status, said["reason"]) == (500, "InternalError"), answer.body
            start = 'Internal error occurred: failed calling webhook "test.example.com": failed to call webhook: Post "https://localhost:'
            assert said["message"].startswith(start), said["message"]
            seen["refused"] += 1
        other = await call("POST", f"{DEFAULT}/secrets", {"metadata": {"name": f"s-{client}-{turn}"}})
        assert other.status == 201
        await server.note_write()


async def test_two_hundred_clients_and_a_server_that_comes_and_goes(tmp_path: Path) -> None:
    server, seen = Flapping(certificate(tmp_path / "webhook")), Counter[str]()
    await server.listen()
    async with serving(tmp_path) as served, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        call = Caller(served.url, session)
        client = {"url": f"https://localhost:{server.port}", "caBundle": server.certificate.bundle}
        await configure(call, "validating", client, [rule("configmaps", operations="CREATE")], timeoutSeconds=2)
        before = len(asyncio.all_tasks())
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(writing(call, server, number, seen))
        assert seen["made"] + seen["refused"] == CLIENTS * WRITES
        assert seen["refused"] > CLIENTS // 5
        stored = (await call("GET", f"{DEFAULT}/configmaps")).json()["items"]
        assert len([item for item in stored if item["metadata"]["name"].startswith("c-")]) == seen["made"]
        last = await call("POST", f"{DEFAULT}/configmaps", {"metadata": {"name": "last"}})
        assert last.status == 201, last.body
        await session.close()
        await server.leave()
        for _ in range(500):
            if len(asyncio.all_tasks()) <= before:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{before} tasks have become {[str(task) for task in asyncio.all_tasks()]}")
