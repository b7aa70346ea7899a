"""Objects of a custom kind beside ConfigMaps of the same bytes, in turns within one run: processor time of the server for creates, GETs, a
LIST of five thousand and a change told to watchers; the ratio is the ConfigMaps' time by theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec

from tests.bench.api.load import served
from tests.bench.figure import p50, report
from tests.bench.processes import processor_seconds

OBJECTS, CREATES, GETS, LISTS, ROUNDS = 5_000, 500, 2_000, 10, 5
WATCHERS, CHANGES = 50, 40
CONFIGMAPS, WIDGETS = "/api/v1/namespaces/default/configmaps", "/apis/example.com/v1/namespaces/default/widgets"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DATA = {f"k{index}": "v" * 60 for index in range(20)}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
VERSION = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"data": TEXTS}}}}
DEFINITION = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"}, "versions": [VERSION]},
}
HEADERS = {"Content-Type": "application/json"}


class Kind:
    """One of the two: where its objects are, and how many there are."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self.url, self.count = session, url, 0

    async def create(self) -> None:
        body = msgspec.json.encode({"metadata": {"name": f"o{self.count:05d}", "labels": {"app": "web"}}, "data": DATA})
        if "widgets" in self.url:
            body = b'{"apiVersion":"example.com/v1","kind":"Widget",' + body[1:]
        self.count += 1
        async with self._session.post(self.url, data=body, headers=HEADERS) as response:
            assert response.status == 201, await response.text()
            await response.read()

    async def get(self) -> None:
        async with self._session.get(f"{self.url}/o00000") as response:
            await response.read()

    async def list(self) -> None:
        async with self._session.get(self.url) as response:
            async for _ in response.content.iter_any():
                pass

    async def watch(self) -> None:
        """Read what is told until cancelled."""
        async with self._session.get(f"{self.url}?watch=1", timeout=aiohttp.ClientTimeout()) as response:
            async for _ in response.content.iter_any():
                pass


async def cost(pid: int, call: Callable[[], Awaitable[Any]], times: int) -> float:
    """Seconds of the server's processor."""
    before = processor_seconds(pid)
    for _ in range(times):
        await call()
    return max(processor_seconds(pid) - before, 0.01)


async def compare(name: str, pid: int, one: Any, other: Any, times: int, at_least: float) -> None:
    rounds = [(await cost(pid, one, times), await cost(pid, other, times)) for _ in range(ROUNDS)]
    report(f"custom_objects_{name}", p50([first / second for first, second in rounds]), "of a ConfigMap", at_least=at_least)


async def main() -> None:
    with served(1) as server:
        limit = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=limit, auto_decompress=False) as session:
            url = f"http://127.0.0.1:{server.ports['plain']}"
            async with session.post(url + DEFINITIONS, json=DEFINITION) as response:
                assert response.status == 201, await response.text()
            configs, widgets = Kind(session, url + CONFIGMAPS), Kind(session, url + WIDGETS)
            await asyncio.sleep(1)
            for kind in (configs, widgets):
                await kind.create()
            await compare("create", server.pid, configs.create, widgets.create, CREATES, 0.8)
            await compare("get", server.pid, configs.get, widgets.get, GETS, 0.8)
            for kind in (configs, widgets):
                while kind.count < OBJECTS:
                    await asyncio.gather(*(kind.create() for _ in range(10)))
            await compare("list", server.pid, configs.list, widgets.list, LISTS, 0.9)
            watching = [asyncio.create_task(kind.watch()) for kind in (configs, widgets) for _ in range(WATCHERS)]
            await asyncio.sleep(2)
            await compare("watch", server.pid, configs.create, widgets.create, CHANGES, 0.8)
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
