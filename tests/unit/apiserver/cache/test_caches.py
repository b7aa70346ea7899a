"""All caches: how they are filled."""

from __future__ import annotations

import asyncio

from pilothouse.api.catalogue import built_in
from pilothouse.api.core.pod import POD
from pilothouse.api.types.core_v1 import Pod, PodSpec
from pilothouse.apiserver.cache.caches import DECODED_AT_ONCE, Caches, prefix_of
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.kit.clock import SystemClock
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.codec import encode
from pilothouse.machinery.meta_v1 import ObjectMeta

SLICES = 5


async def filled() -> MemoryStorage:
    storage = MemoryStorage()
    for number in range(SLICES * DECODED_AT_ONCE):
        await put(storage, f"pod-{number:05}")
    return storage


async def put(storage: MemoryStorage, name: str) -> None:
    pod = Pod(metadata=ObjectMeta(name=name, namespace="x"), spec=PodSpec(nodeName="one"))
    await storage.commit(f"{prefix_of(POD)}x/{name}", encode(pod), 0)


async def test_others_go_on_while_a_large_resource_is_loaded() -> None:
    storage = await filled()
    caches = Caches(storage, SystemClock(), built_in())
    await caches.start()
    loading = asyncio.create_task(caches.of(POD))
    turns = 0
    while not loading.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= SLICES
    assert len(caches.peek(POD).indexed("spec.nodeName", "one")) == SLICES * DECODED_AT_ONCE


async def test_what_is_written_while_a_large_resource_is_loaded_is_there_afterwards() -> None:
    storage = await filled()
    caches = Caches(storage, SystemClock(), built_in())
    await caches.start()
    running = asyncio.create_task(caches.run())
    loading = asyncio.create_task(caches.of(POD))
    for number in range(SLICES):
        await put(storage, f"later-{number}")
    cache = await loading
    await caches.wait_for_revision(await storage.revision())
    assert [one.name for one in cache.entries()][:SLICES] == [f"later-{number}" for number in range(SLICES)]
    assert len(list(cache.entries())) == SLICES * (DECODED_AT_ONCE + 1)
    running.cancel()


async def test_what_cannot_be_decoded_spoils_nothing_else() -> None:
    storage = MemoryStorage()
    await put(storage, "good")
    await storage.commit(f"{prefix_of(POD)}x/bad", b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":7}}', 0)
    caches = Caches(storage, SystemClock(), Catalogue())
    await caches.start()
    cache = await caches.of(POD)
    good = cache.get("x", "good")
    assert good is not None
    assert good.object.metadata.name == "good"
