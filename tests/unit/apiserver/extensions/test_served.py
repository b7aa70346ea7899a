"""Custom resources over HTTP: defined, used, and gone with their definition."""

from __future__ import annotations

from pathlib import Path

from pilothouse.apiserver.storage.memory import MemoryStorage
from tests.unit.apiserver.extensions.definitions import DEFINITIONS, WIDGETS, conditions, define, definition, gone, widget
from tests.unit.apiserver.serving import calling


async def test_a_definition_is_established_and_served(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        made = await define(call, definition())
        assert conditions(made) == {
            "NamesAccepted": ("True", "NoConflicts", "no conflicts found"),
            "Established": ("True", "InitialNamesAccepted", "the initial names have been accepted"),
        }
        assert made["status"]["acceptedNames"] == made["spec"]["names"]
        assert made["status"]["storedVersions"] == ["v1"]
        created = await call("POST", WIDGETS, widget("a", spec={"size": 1}))
        assert created.status == 201
        assert created.json()["spec"] == {"size": 1}
        listed = (await call("GET", WIDGETS)).json()
        assert (listed["kind"], [item["metadata"]["name"] for item in listed["items"]]) == ("WidgetList", ["a"])


async def test_instances_go_with_their_definition(tmp_path: Path) -> None:
    async with calling(tmp_path) as call:
        await define(call, definition())
        await call("POST", WIDGETS, widget("a"))
        deleted = (await call("DELETE", f"{DEFINITIONS}/widgets.example.com")).json()
        assert conditions(deleted)["Terminating"] == (
            "True",
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        )
        assert deleted["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        await gone(call, f"{DEFINITIONS}/widgets.example.com")
        assert (await call("GET", WIDGETS)).status == 404
        await define(call, definition())
        assert (await call("GET", WIDGETS)).json()["items"] == []


async def test_what_is_in_the_store_is_served_before_the_first_request(tmp_path: Path) -> None:
    storage = MemoryStorage()
    async with calling(tmp_path, storage=storage) as call:
        await define(call, definition())
        await call("POST", WIDGETS, widget("a", spec={"size": 1}))
    async with calling(tmp_path, storage=storage) as call:
        assert (await call("GET", f"{WIDGETS}/a")).json()["spec"] == {"size": 1}
