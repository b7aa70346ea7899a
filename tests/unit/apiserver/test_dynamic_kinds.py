"""A kind that comes and goes while the server runs: everything that derives from the catalogue follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pilothouse.api.types.core_v1 import ConfigMap, Namespace, ResourceQuota, ResourceQuotaSpec
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.client import Client
from pilothouse.controllers.manager import ControllerManager
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.unstructured import unstructured_resource
from tests.unit.apiserver.serving import Caller, serving

GROUP = "/apis/example.com/v1"
WIDGETS = f"{GROUP}/namespaces/default/widgets"
SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}


def widgets() -> Resource[Any]:
    return unstructured_resource(
        "example.com",
        "v1",
        "Widget",
        "widgets",
        short_names=("wd",),
        subresources=(STATUS,),
        columns=(Column("Size", lambda widget: widget.content.get("spec", {}).get("size"), "integer"), AGE),
        schema=SCHEMA,
    )


def widget(name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, **content}


@dataclass
class Serving:
    """A server with a client over HTTP, one in process, and the kind, which is served."""

    call: Caller
    client: Client
    resource: Resource[Any]
    remove: Callable[[], None]


@asynccontextmanager
async def widgets_served(folder: Path, *controllers: str) -> AsyncIterator[Serving]:
    async with serving(folder) as served, aiohttp.ClientSession() as session:
        client, catalogue = Client(served.registry.transport(ADMIN)), served.registry.catalogue
        manager = ControllerManager(client, SystemClock(), Entropy(), only=controllers)
        running = asyncio.create_task(manager.run()) if controllers else None
        call = Caller(served.url, session)
        await call("GET", "/api/v1/namespaces")
        resource = widgets()
        catalogue.add(resource)
        try:
            yield Serving(call, client, resource, lambda: catalogue.remove(resource))
        finally:
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


async def until(holds: Callable[[], Any]) -> None:
    """Return when an awaited condition is true; a condition that never comes true fails the test."""
    for _ in range(1500):
        if await holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true")


async def test_routes_and_verbs(tmp_path: Path) -> None:
    async with widgets_served(tmp_path) as served:
        call = served.call
        made = await call("POST", WIDGETS, widget("a", spec={"size": 1}, status={"phase": "lied"}))
        assert made.status == 201
        assert made.json()["spec"] == {"size": 1}
        assert "status" not in made.json()
        assert made.json()["metadata"]["generation"] == 1
        assert (await call("POST", WIDGETS, widget("a"))).json()["message"] == 'widgets.example.com "a" already exists'
        changed = await call("PATCH", f"{WIDGETS}/a", b'{"spec":{"size":2}}', Content_Type="application/merge-patch+json")
        assert (changed.json()["spec"], changed.json()["metadata"]["generation"]) == ({"size": 2}, 2)
        applied = await call(
            "PATCH", f"{WIDGETS}/a?fieldManager=me&force=true", widget("a", spec={"size": 2}), Content_Type="application/apply-patch+yaml"
        )
        assert (applied.status, applied.json()["metadata"]["generation"]) == (200, 2)
        status = await call("PUT", f"{WIDGETS}/a/status", widget("a", spec={"size": 9}, status={"phase": "Ready"}))
        assert (status.json()["spec"], status.json()["status"]) == ({"size": 2}, {"phase": "Ready"})
        assert status.json()["metadata"]["generation"] == 2
        listed = (await call("GET", f"{GROUP}/widgets")).json()
        assert (listed["kind"], [item["metadata"]["name"] for item in listed["items"]]) == ("WidgetList", ["a"])
        assert (await call("DELETE", f"{WIDGETS}/a")).status == 200
        assert (await call("GET", f"{WIDGETS}/a")).status == 404


async def test_discovery_openapi_and_table(tmp_path: Path) -> None:
    async with widgets_served(tmp_path) as served:
        call = served.call
        await call("POST", WIDGETS, widget("a", spec={"size": 1}))
        groups = [group["name"] for group in (await call("GET", "/apis")).json()["groups"]]
        assert "example.com" in groups
        named = [resource["name"] for resource in (await call("GET", GROUP)).json()["resources"]]
        assert named == ["widgets", "widgets/status"]
        assert GROUP in (await call("GET", "/")).json()["paths"]
        index = (await call("GET", "/openapi/v3")).json()["paths"]
        document = (await call("GET", index["apis/example.com/v1"]["serverRelativeURL"])).json()
        assert document["components"]["schemas"]["com.example.v1.Widget"]["properties"]["spec"] == SCHEMA["properties"]["spec"]
        table = (await call("GET", WIDGETS, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")).json()
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size", "Age"]
        assert table["rows"][0]["cells"][:2] == ["a", 1]
        served.remove()
        assert "example.com" not in [group["name"] for group in (await call("GET", "/apis")).json()["groups"]]
        assert (await call("GET", GROUP)).status == 404
        assert (await call("GET", WIDGETS)).status == 404
        assert "apis/example.com/v1" not in (await call("GET", "/openapi/v3")).json()["paths"]


async def test_a_watch_ends_with_its_kind(tmp_path: Path) -> None:
    async with widgets_served(tmp_path) as served:
        events = served.client.watch(served.resource.type, "default")
        await served.call("POST", WIDGETS, widget("a", spec={"size": 1}))
        event = await asyncio.wait_for(anext(events), 30)
        assert (event.type, event.object.content["spec"]) == ("ADDED", {"size": 1})
        served.remove()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(events), 30)


async def test_a_kind_may_come_back_with_its_objects(tmp_path: Path) -> None:
    async with widgets_served(tmp_path) as served:
        await served.call("POST", WIDGETS, widget("a", spec={"size": 1}))
        served.remove()
        served.client.catalogue.add(widgets())
        assert (await served.call("GET", f"{WIDGETS}/a")).json()["spec"] == {"size": 1}


async def test_the_garbage_collector_follows(tmp_path: Path) -> None:
    async with widgets_served(tmp_path, "generic-garbage-collector") as served:
        owner = (await served.call("POST", WIDGETS, widget("a"))).json()["metadata"]
        reference = OwnerReference(apiVersion="example.com/v1", kind="Widget", name="a", uid=owner["uid"])
        await served.client.create(ConfigMap(metadata=ObjectMeta(name="owned", namespace="default", ownerReferences=[reference])))
        await served.call("DELETE", f"{WIDGETS}/a")
        await until(lambda: is_gone(served.client, ConfigMap, "owned"))


async def test_a_namespace_takes_its_objects_along(tmp_path: Path) -> None:
    async with widgets_served(tmp_path, "namespace") as served:
        await served.client.create(Namespace(metadata=ObjectMeta(name="short")))
        await served.call("POST", f"{GROUP}/namespaces/short/widgets", widget("a"))
        await served.client.delete(Namespace, "short")
        await until(lambda: is_gone(served.client, Namespace, "short", ""))
        assert (await served.call("GET", f"{GROUP}/widgets")).json()["items"] == []


async def test_quotas_count_it(tmp_path: Path) -> None:
    async with widgets_served(tmp_path, "resourcequota-controller") as served:
        quota = ResourceQuota(
            metadata=ObjectMeta(name="few", namespace="default"), spec=ResourceQuotaSpec(hard={"count/widgets.example.com": "1"})
        )
        await served.client.create(quota)
        assert (await served.call("POST", WIDGETS, widget("a"))).status == 201
        refused = await served.call("POST", WIDGETS, widget("b"))
        assert refused.status == 403
        assert "exceeded quota: few, requested: count/widgets.example.com=1, used: count/widgets.example.com=1" in refused.json()["message"]
        await served.call("DELETE", f"{WIDGETS}/a")

        async def is_free() -> bool:
            return (await served.client.get(ResourceQuota, "few", "default")).status.used == {"count/widgets.example.com": "0"}

        await until(is_free)


async def is_gone(client: Client, kind: type[Any], name: str, namespace: str = "default") -> bool:
    try:
        await client.get(kind, name, namespace)
    except StatusError as error:
        return error.code == 404
    return False
