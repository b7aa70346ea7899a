"""Definitions that are made, changed and removed again and again beside watchers: no watcher hangs, nothing is left of what is gone."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import aiohttp

from pilothouse.machinery.unstructured import Unstructured
from tests.unit.apiserver.extensions.definitions import DEFINITIONS, WIDGETS, define, definition, gone, version, widget
from tests.unit.apiserver.serving import Caller, serving

WRITE_BUDGET = 12
NAME = "widgets.example.com"
FIELDS = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}


def classes() -> int:
    """Classes of kinds that are known only at run time, of this kind."""
    gc.collect()
    return sum(kind.__name__ == "Widget" for kind in Unstructured.__subclasses__())


async def watched(call: Caller) -> bytes:
    """All that a watch is told until the server ends it."""
    async with call.session.get(f"{call.url}{WIDGETS}?watch=1&timeoutSeconds=60") as response:
        return await response.read()


async def change(call: Caller, **fields: Any) -> None:
    found = (await call("GET", f"{DEFINITIONS}/{NAME}")).json()
    found["spec"]["versions"][0] |= fields
    assert (await call("PUT", f"{DEFINITIONS}/{NAME}", found)).status == 200


async def test_watches_end_and_nothing_is_left(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, aiohttp.ClientSession() as session:
        call, before = Caller(served.url, session), classes()
        for _ in range(WRITE_BUDGET):
            await define(call, definition(version(schema=FIELDS)))
            await call("POST", WIDGETS, widget("a", spec={"size": 1}))
            await call(
                "PATCH", f"{WIDGETS}/a?fieldManager=x&force=1", widget("a", spec={"size": 2}), Content_Type="application/apply-patch+yaml"
            )
            first = asyncio.create_task(watched(call))
            await asyncio.sleep(0.05)
            await change(call, deprecated=True)
            assert b'"size":2' in await asyncio.wait_for(first, 20)
            second = asyncio.create_task(watched(call))
            await asyncio.sleep(0.05)
            await call("DELETE", f"{DEFINITIONS}/{NAME}")
            await gone(call, f"{DEFINITIONS}/{NAME}")
            assert b'"type":"DELETED"' in await asyncio.wait_for(second, 20)
        assert len(served.registry.store.caches._by_prefix) == len(served.registry.store.caches._by_resource)
        assert not [prefix for prefix in served.registry.store.caches._by_prefix if "widgets" in prefix]
        served.registry.store.caches.peek(served.registry.catalogue.resources()[0]).forget_old()
        assert classes() - before <= 1
