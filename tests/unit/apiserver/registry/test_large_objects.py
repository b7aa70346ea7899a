"""What is made of a large object is made in a thread, whether the object comes with the request or is there already."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pilothouse.apiserver.registry import managers
from tests.unit.apiserver.serving import calling

MAPS = "/api/v1/namespaces/default/configmaps"
PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json")


@pytest.mark.parametrize(("count", "is_aside"), [(3, False), (3000, True)], ids=["small", "large"])
async def test_writes_of_large_objects_leave_the_loop_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, is_aside: bool
) -> None:
    loop, seen = threading.current_thread(), []
    updated = managers.after_update

    def noted(*args: object) -> object:
        seen.append(threading.current_thread() is not loop)
        return updated(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(managers, "after_update", noted)
    data = {f"key-{number}": "a value of some length" for number in range(count)}
    async with calling(tmp_path) as call:
        assert (await call("POST", MAPS, {"metadata": {"name": "a"}, "data": data})).status == 201
        assert (await call("PUT", f"{MAPS}/a", {"metadata": {"name": "a"}, "data": {**data, "new": "1"}})).status == 200
        for media_type in PATCHES:
            patched = await call("PATCH", f"{MAPS}/a", {"data": {"new": media_type[:20]}}, Content_Type=media_type)
            assert (patched.status, patched.json()["data"]["new"]) == (200, media_type[:20])
    assert seen == [is_aside] * 3
