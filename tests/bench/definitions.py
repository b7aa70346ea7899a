"""Five hundred definitions of a megabyte in sum, as a large operator brings them: how long others wait for an answer meanwhile, when
discovery and OpenAPI tell of the last, and what memory they cost beyond their own text.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import msgspec

from tests.bench.api.load import served
from tests.bench.figure import report
from tests.bench.processes import processor_seconds, resident_megabytes

COUNT, AT_ONCE, GROUPS, POLLS = 500, 8, 20, 10_000
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
DOCUMENTS = (
    ("discovery", "/apis", AGGREGATED),
    ("openapi_v3_index", "/openapi/v3", "application/json"),
    ("openapi_v3_group", "/openapi/v3/apis/g1.example.com/v1", "application/json"),
    ("openapi_v2", "/openapi/v2", "application/json"),
    ("openapi_v2_protobuf", "/openapi/v2", V2_PROTOBUF),
)
FIELDS = {f"field{index}": {"type": "string", "description": "Some words that say what this field is for."} for index in range(14)}
SPEC = {"type": "object", "properties": FIELDS}
STATUS = {"type": "object", "properties": {"phase": {"type": "string"}}}
SCHEMA = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
VERSION = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}, "subresources": {"status": {}}}


def definition(index: int) -> dict[str, Any]:
    group, kind = f"g{index % GROUPS}.example.com", f"Thing{index}"
    names = {"kind": kind, "plural": f"{kind.lower()}s"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [VERSION]},
    }


class Client:
    """Asks the server, and keeps of an answer no more than its length."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def get(self, path: str, accept: str = "application/json") -> int:
        length = 0
        async with self._session.get(self._url + path, headers={"Accept": accept}) as response:
            async for chunk in response.content.iter_any():
                length += len(chunk)
            return length if response.status == 200 else 0

    async def create(self, index: int) -> None:
        async with self._session.post(self._url + PATH, json=definition(index)) as response:
            assert response.status == 201, await response.text()

    async def seen(self, index: int) -> None:
        """Return when the kind is served."""
        for _ in range(POLLS):
            if await self.get(f"/apis/g{index % GROUPS}.example.com/v1/thing{index}s"):
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"thing{index}s are not served")


async def slowest(client: Client, ended: asyncio.Event) -> float:
    """The longest that an answer of another kind takes, in milliseconds."""
    longest = 0.0
    while not ended.is_set():
        begin = time.perf_counter()
        await client.get("/api/v1/namespaces/default")
        longest = max(longest, time.perf_counter() - begin)
        await asyncio.sleep(0.005)
    return longest * 1e3


async def install(client: Client, indexes: range) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def create(index: int) -> None:
        async with gate:
            await client.create(index)

    await asyncio.gather(*(create(index) for index in indexes))
    await client.seen(indexes[-1])


async def documents(client: Client, pid: int, *, told: bool) -> None:
    """Ask for every document, as clients do that begin, and tell how long each takes."""
    for name, path, accept in DOCUMENTS:
        begin, used = time.perf_counter(), processor_seconds(pid)
        assert await client.get(path, accept), path
        if told:
            report(f"definitions_{name}", (time.perf_counter() - begin) * 1e3, "ms", at_most=1000)
            report(f"definitions_{name}_cpu", (processor_seconds(pid) - used) * 1e3, "ms")


async def main() -> None:
    with served(1) as server:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            client = Client(session, f"http://127.0.0.1:{server.ports['plain']}")
            await install(client, range(COUNT, COUNT + 2))
            await documents(client, server.pid, told=False)
            begin = time.perf_counter()
            await install(client, range(COUNT + 2, COUNT + 3))
            report("definitions_served", (time.perf_counter() - begin) * 1e3, "ms", at_most=100)
            before, ended = resident_megabytes(server.pid), asyncio.Event()
            waiting = asyncio.create_task(slowest(client, ended))
            begin = time.perf_counter()
            await install(client, range(COUNT))
            report("definitions_installed", time.perf_counter() - begin, "s")
            await documents(client, server.pid, told=True)
            ended.set()
            report("definitions_slowest_other_answer", await waiting, "ms")
            text = len(msgspec.json.encode(definition(0)))
            each = (resident_megabytes(server.pid) - before) * 1024 / COUNT - text / 1024
            report("definitions_memory_each", each, "kB", at_most=60)


if __name__ == "__main__":
    asyncio.run(main())
