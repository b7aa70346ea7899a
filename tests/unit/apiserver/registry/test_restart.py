"""What a restart of the server may not change for those who watch."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.machinery.codec import clone
from tests.unit.apiserver.registry.house import config, refused, take, told, watching
from tests.unit.apiserver.registry.test_over_sqlite import durable


@pytest.mark.parametrize("resumes_from_the_object", [True, False])
async def test_a_watch_from_before_the_last_compaction_is_expired_after_a_restart(tmp_path: Path, resumes_from_the_object: bool) -> None:
    async with durable(tmp_path / "state.db") as house:
        made = await house.client.create(config("a"))
        changed = clone(await house.client.get(ConfigMap, "a", "default"))
        changed.data["k"] = "v"
        await house.client.update(changed)
        await house.client.create(config("b"))
        await house.storage.compact(await house.storage.revision())
    version = made.metadata.resourceVersion if resumes_from_the_object else "1"
    async with durable(tmp_path / "state.db") as house:
        with_old = watching(house, ConfigMap, "default", resource_version=version)
        async with refused(410, f"too old resource version: {version}"), with_old as events:
            await take(events, 1)


async def test_a_watch_from_after_the_last_compaction_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with durable(tmp_path / "state.db") as house:
        await house.client.create(config("a"))
        await house.storage.compact(await house.storage.revision())
        last = (await house.client.create(config("b"))).metadata.resourceVersion
        await house.client.create(config("c"))
    async with durable(tmp_path / "state.db") as house, watching(house, ConfigMap, "default", resource_version=last) as events:
        assert told(await take(events, 1)) == [("ADDED", "c")]
