"""A real extension API server over TLS behind an APIService: its group is served as if it were the server's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.unit.apiserver.aggregation.extension import (
    GROUP,
    PATH,
    READINGS,
    ExtensionServer,
    apiservice,
    endpoint_slice,
    extension_server,
    service,
)
from tests.unit.apiserver.serving import Caller, serving

APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass
class Place:
    call: Caller
    extension: ExtensionServer
    session: aiohttp.ClientSession
    url: str

    async def condition(self) -> dict[str, Any]:
        status = (await self.call("GET", f"{APISERVICES}/v1.{GROUP}")).json().get("status", {})
        return next(iter(status.get("conditions", [])), {})

    async def register(self, **spec: Any) -> None:
        made = await self.call("POST", APISERVICES, apiservice(self.extension.ca_bundle, **spec))
        assert made.status == 201

    async def until(self, holds: Callable[[], Any]) -> Any:
        async with asyncio.timeout(30):
            while not (value := await holds()):  # noqa: ASYNC110 - a server over HTTP tells nobody
                await asyncio.sleep(0.02)
            return value

    async def available(self, status: str = "True") -> dict[str, Any]:
        async def said() -> Any:
            condition = await self.condition()
            return condition if condition.get("status") == status else None

        return await self.until(said)


@asynccontextmanager
async def place(folder: Path, *, endpoints: bool = True) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        extension = await stack.enter_async_context(extension_server(folder / "extension"))
        served = await stack.enter_async_context(serving(folder, front_proxy=extension.folder))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        served.registry.store.local_services["default", "readings"] = ("127.0.0.1", extension.port)
        call = Caller(served.url, session)
        await call("POST", "/api/v1/namespaces/default/services", service())
        if endpoints:
            await call("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", endpoint_slice())
        yield Place(call, extension, session, served.url)


async def test_requests_are_passed_on_with_the_user_in_headers(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        await here.register()
        assert (await here.available())["reason"] == "Passed"
        made = await here.call("POST", f"{PATH}/namespaces/default/readings?pretty=true", b'{"a": 1}', X_Remote_User="root")
        assert (made.status, made.json()["kind"]) == (200, "Reading")
        request = next(request for request in here.extension.seen if request.method == "POST")
        assert (request.method, request.path_qs) == ("POST", f"{PATH}/namespaces/default/readings?pretty=true")
        assert b'{"a": 1}' in here.extension.bodies
        assert request.headers.getall("X-Remote-User") == ["kubernetes-admin"]
        assert request.headers.getall("X-Remote-Group") == ["system:masters", "system:authenticated"]
        assert "Authorization" not in request.headers


async def test_watches_upgrades_and_redirects_pass(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        await here.register()
        await here.available()
        async with here.session.get(f"{here.url}{PATH}/readings?watch=1") as answer:
            lines = [json.loads(line) async for line in answer.content]
        assert [line["object"]["number"] for line in lines] == [0, 1, 2]
        async with here.session.ws_connect(f"{here.url}{PATH}/namespaces/default/readings/a/stream") as socket:
            await socket.send_bytes(b"hello")
            assert (await socket.receive_bytes(timeout=10)) == b"HELLO"
        async with here.session.get(f"{here.url}{PATH}/moved", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "https://192.0.2.1/")
        large = b"x" * (8 << 20)
        assert (await here.call("PUT", f"{PATH}/namespaces/default/readings/a", large)).status == 200
        assert large in here.extension.bodies


@pytest.mark.parametrize("aggregates", [True, False], ids=["with aggregated discovery", "with a resource list only"])
async def test_discovery_is_merged_and_ends_with_the_apiservice(tmp_path: Path, aggregates: bool) -> None:
    async with place(tmp_path) as here:
        here.extension.aggregates = aggregates
        await here.register()

        async def discovered() -> Any:
            groups = (await here.call("GET", "/apis", Accept=V2)).json()["items"]
            versions = [group["versions"][0] for group in groups if group["metadata"]["name"] == GROUP]
            return versions[0] if versions and versions[0]["freshness"] == "Current" else None

        version = await here.until(discovered)
        assert [resource["resource"] for resource in version["resources"]] == ["readings"]
        assert version["resources"][0]["responseKind"] == {"group": GROUP, "version": "v1", "kind": "Reading"}
        groups = [group["name"] for group in (await here.call("GET", "/apis")).json()["groups"]]
        assert groups[-1] == GROUP, "priority 100 is below all of the server's own"
        assert (await here.call("GET", f"/apis/{GROUP}")).json()["preferredVersion"]["version"] == "v1"
        assert (await here.call("GET", PATH)).json()["groupVersion"] == f"{GROUP}/v1"
        await here.call("DELETE", f"{APISERVICES}/v1.{GROUP}")

        async def gone() -> bool:
            return (await here.call("GET", PATH)).status == 404

        await here.until(gone)
        assert GROUP not in [group["name"] for group in (await here.call("GET", "/apis")).json()["groups"]]


async def test_openapi_of_an_extension_is_in_the_index_and_passed_on(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        await here.register()
        await here.available()

        async def url() -> Any:
            paths = (await here.call("GET", "/openapi/v3")).json()["paths"]
            return paths.get(PATH[1:], {}).get("serverRelativeURL")

        assert await here.until(url) == f"/openapi/v3{PATH}?hash=ABC"
        document = (await here.call("GET", f"/openapi/v3{PATH}?hash=ABC")).json()
        assert document["components"]["schemas"] == {"com.example.Reading": {"type": "object"}}
        assert "apis/apps/v1" in (await here.call("GET", "/openapi/v3")).json()["paths"]


async def test_openapi_of_version_two_is_merged(tmp_path: Path) -> None:
    meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    async with place(tmp_path) as here:
        before = (await here.call("GET", "/openapi/v2")).json()
        await here.register()
        await here.available()

        async def merged() -> Any:
            document = (await here.call("GET", "/openapi/v2")).json()
            return document if READINGS in document["paths"] else None

        after = await here.until(merged)
        assert after["paths"].keys() - before["paths"].keys() == {READINGS}
        assert after["definitions"].keys() - before["definitions"].keys() == {"com.example.Reading", f"{meta}_v2"}
        assert after["definitions"]["com.example.Reading"]["properties"]["metadata"] == {"$ref": f"#/definitions/{meta}_v2"}
        assert after["definitions"][meta] == before["definitions"][meta]
        assert list(after["parameters"]) == ["pretty-1"]
        binary = await here.call("GET", "/openapi/v2", Accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
        assert b"com.example.Reading" in binary.body
        await here.call("DELETE", f"{APISERVICES}/v1.{GROUP}")

        async def gone() -> Any:
            return READINGS not in (await here.call("GET", "/openapi/v2")).json()["paths"]

        await here.until(gone)


async def test_a_server_that_falls_ill_is_said_to_be_unavailable(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.extension.fails = 500
        await here.register()
        condition = await here.available("False")
        assert condition["reason"] == "FailedDiscoveryCheck"
        url = f"https://readings.default.svc:443{PATH}"
        assert condition["message"] == f"failing or missing response from {url}: bad status from {url}: 500"
        refused = await here.call("GET", f"{PATH}/readings")
        assert (refused.status, refused.body) == (503, b"service unavailable\n")
        versions = [
            group["versions"][0]
            for group in (await here.call("GET", "/apis", Accept=V2)).json()["items"]
            if group["metadata"]["name"] == GROUP
        ]
        assert versions == [{"version": "v1", "freshness": "Stale"}]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"caBundle": ""}, "tls: failed to verify certificate", id="an authority that nobody believes"),
        pytest.param({"insecureSkipTLSVerify": True, "caBundle": ""}, "", id="any certificate where that is asked for"),
    ],
)
async def test_its_certificate_must_be_of_the_bundle(tmp_path: Path, spec: dict[str, Any], message: str) -> None:
    async with place(tmp_path) as here:
        await here.register(**{name: value for name, value in spec.items() if value} | ({"caBundle": None} if not spec["caBundle"] else {}))
        condition = await here.available("False" if message else "True")
        assert message in condition["message"]


async def test_without_endpoints_it_is_not_asked(tmp_path: Path) -> None:
    async with place(tmp_path, endpoints=False) as here:
        await here.register()
        assert (await here.available("False"))["reason"] == "EndpointsNotFound"
        assert here.extension.seen == []
