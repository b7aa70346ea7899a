"""Definitions for tests, and what waits for them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.apiserver.serving import Answer, Caller

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
POLLS = 500
Map = dict[str, Any]
OPEN_SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def version(name: str = "v1", schema: Map | None = None, *, storage: bool = True, served: bool = True, **fields: Any) -> Map:
    """A version of a definition."""
    return {"name": name, "served": served, "storage": storage, "schema": {"openAPIV3Schema": schema or OPEN_SCHEMA}, **fields}


def definition(*versions: Map, kind: str = "Widget", group: str = "example.com", scope: str = "Namespaced", **names: Any) -> Map:
    """A definition of Widgets, or of another kind."""
    plural = names.pop("plural", f"{kind.lower()}s")
    named = {"plural": plural, "kind": kind, **names}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": scope, "names": named, "versions": list(versions) or [version()]},
    }


def widget(name: str, version: str = "v1", **content: Any) -> Map:
    return {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": {"name": name}, **content}


def conditions(definition: Map) -> dict[str, tuple[str, str, str]]:
    """Status, reason and message by type."""
    found = definition["status"].get("conditions") or []
    return {condition["type"]: (condition["status"], condition["reason"], condition["message"]) for condition in found}


async def define(call: Caller, wanted: Map) -> Map:
    """Create a definition, and return it when it is established."""
    made = await call("POST", DEFINITIONS, wanted)
    assert made.status == 201, made.body
    return await with_condition(call, wanted["metadata"]["name"], "Established")


async def with_condition(call: Caller, name: str, type: str, status: str = "True") -> Map:
    """The definition when a condition has a status; AssertionError when it never has."""
    for _ in range(POLLS):
        found: Map = (await call("GET", f"{DEFINITIONS}/{name}")).json()
        if conditions(found).get(type, ("",))[0] == status:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"{type} of {name} does not become {status}: {found}")


async def gone(call: Caller, path: str) -> None:
    """Return when there is nothing at a path any more."""
    for _ in range(POLLS):
        answer: Answer = await call("GET", path)
        if answer.status == 404:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} is still there: {answer.body!r}")
