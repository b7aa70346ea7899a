"""Updates of one version at the same time: one is written, the others are conflicts, and what is served is what was written."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import open_house


@pytest.mark.parametrize("stored", ["in memory", "in a file"])
async def test_equal_updates_at_once(stored: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    storage = SqliteStorage(tmp_path_factory.mktemp("state") / "state.db") if stored == "in a file" else None
    async with open_house(storage) as house:  # type: ignore[arg-type]
        made = await house.client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="default")))
        for turn in range(20):
            wanted = [clone(made) for _ in range(5)]
            for body in wanted:
                body.data = {"turn": str(turn)}
            answers = await asyncio.gather(*(house.client.update(body) for body in wanted), return_exceptions=True)
            written = [answer for answer in answers if isinstance(answer, ConfigMap)]
            conflicts = [answer for answer in answers if isinstance(answer, StatusError) and answer.reason == "Conflict"]
            assert (len(written), len(conflicts)) == (1, 4)
            served = await house.client.get(ConfigMap, "a", "default")
            assert served == written[0]
            assert int(served.metadata.resourceVersion) > int(made.metadata.resourceVersion)
            made = served
