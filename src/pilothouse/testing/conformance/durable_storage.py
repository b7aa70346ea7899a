"""Conformance tests of a store that outlives its process: inherit `DurableStorageConformance`.

`opener` names the function that opens the store as text, so that another process can open it and be killed while it writes; every write
that it has acknowledged must be there afterwards.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.apiserver.storage.interface import Compacted, CompareFailed, Storage
from pilothouse.machinery import strconv
from pilothouse.testing.conformance.storage import StorageConformance, key, told

ACKNOWLEDGED_BEFORE_KILL = 400
WRITERS = 16


class DurableStorageConformance(StorageConformance):
    """`opener` is `module:callable`; called with the path it opens the store."""

    opener = ""

    async def test_everything_is_there_after_opening_again(self, tmp_path: Path) -> None:
        path = tmp_path / "again"
        storage = self.open(path)
        await storage.commit(key("a"), b"1", 0)
        then = await storage.commit(key("b"), b"1", 0)
        await storage.commit(key("a"), b"2", None)
        last = await storage.commit(key("b"), None, None)
        await storage.close()
        storage = self.open(path)
        assert await storage.revision() == last
        assert [(item.key, item.value) for item in (await storage.range(key(""))).items] == [(key("a"), b"2")]
        async with self.watching(storage, key(""), then) as feed:
            assert told(await anext(feed)) == [("MODIFIED", "a"), ("DELETED", "b")]
        with pytest.raises(CompareFailed):
            await storage.commit(key("a"), b"3", 0)
        assert await storage.commit(key("b"), b"3", 0) == last + 1
        await storage.close()

    async def test_no_revision_goes_back_over_a_compaction(self, tmp_path: Path) -> None:
        path = tmp_path / "compacted"
        storage = self.open(path)
        await storage.commit(key("a"), b"1", 0)
        last = await storage.commit(key("a"), None, None)
        await storage.compact(last)
        await storage.close()
        storage = self.open(path)
        assert await storage.revision() == last + self.compaction_is_a_write
        with pytest.raises(Compacted):
            await storage.range(key(""), revision=last - 1)
        assert await storage.commit(key("a"), b"1", 0) == last + self.compaction_is_a_write + 1
        await storage.close()

    async def test_nothing_acknowledged_is_lost_by_kill_9(self, tmp_path: Path) -> None:
        path = tmp_path / "killed"
        acknowledged: dict[str, int] = {}
        for round in range(2):
            acknowledged |= await asyncio.to_thread(self._killed, path, round)
            storage = self.open(path)
            items = {item.key: item for item in (await storage.range(key(""))).items}
            missing = {name for name in acknowledged if name not in items}
            assert not missing
            assert all(items[name].revision == revision for name, revision in acknowledged.items())
            assert await storage.revision() >= max(acknowledged.values())
            async with self.watching(storage, key(""), 1) as feed:
                revisions = [event.revision for event in await anext(feed)]
            assert revisions == list(range(2, len(revisions) + 2)), "a hole, or a write seen twice"
            await storage.close()

    def _killed(self, path: Path, round: int) -> dict[str, int]:
        """What a process acknowledged before it was killed in the middle of writing."""
        program = f"from {__name__} import write_until_killed; write_until_killed({self.opener!r}, {str(path)!r}, {round})"
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = list(itertools.islice(process.stdout, ACKNOWLEDGED_BEFORE_KILL))
        process.kill()
        lines += [line for line in process.stdout if line.endswith("\n")]
        process.wait()
        process.stdout.close()
        assert len(lines) >= ACKNOWLEDGED_BEFORE_KILL
        return {name: strconv.parse_int(revision.strip()) for name, _, revision in (line.partition(" ") for line in lines)}


def write_until_killed(opener: str, path: str, round: int) -> None:
    """Write without end from many tasks; a line `key revision` for each write, after it was acknowledged."""
    module, _, name = opener.partition(":")

    async def main() -> None:
        storage: Storage = getattr(importlib.import_module(module), name)(Path(path))
        numbers = itertools.count()

        async def writer() -> None:
            while True:
                mine = key(f"{round}-{next(numbers):08}")
                revision = await storage.commit(mine, b"x" * 500, 0)
                print(mine, revision, flush=True)

        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(writer())

    asyncio.run(main())
