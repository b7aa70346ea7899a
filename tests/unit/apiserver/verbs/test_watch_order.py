"""However events reach a watcher (at once, or through its queue when it reads slowly), they come in order and none is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import msgspec

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.call import MERGE_PATCH, Call
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.serving import serving

CHANGES = 600
FILLING = "x" * 20_000
"""Enough that what a slow reader leaves unread fills the buffers between."""


async def test_a_slow_reader_sees_every_change_once_and_in_order(folder: Path) -> None:
    resource = resource_of(ConfigMap)
    async with serving(folder) as served, aiohttp.ClientSession(read_bufsize=1024) as session:
        made = ConfigMap(metadata=ObjectMeta(name="one", namespace="default"), data={"filling": FILLING})
        await served.registry.execute(Call("create", resource, "default", body=made), ADMIN)
        async with session.get(f"{served.url}/api/v1/namespaces/default/configmaps?watch=true") as response:
            response.content._high_water = 1 << 16  # type: ignore[attr-defined]
            for number in range(CHANGES):
                patch = msgspec.json.encode({"data": {"number": str(number)}})
                await served.registry.execute(Call("patch", resource, "default", "one", body=patch, patch_type=MERGE_PATCH), ADMIN)
            seen = []
            buffer = b""
            while len(seen) < CHANGES + 1:
                buffer += await asyncio.wait_for(response.content.readany(), 60)
                *whole, buffer = buffer.split(b"\n")
                seen += [msgspec.json.decode(line)["object"]["data"].get("number", "first") for line in whole]
    assert seen == ["first", *(str(number) for number in range(CHANGES))]
