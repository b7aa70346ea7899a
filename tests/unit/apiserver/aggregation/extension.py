"""A small extension API server for tests: group metrics.example.com, resource `readings`, over TLS, on loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from pilothouse.cluster import certificates
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy

GROUP = "metrics.example.com"
PATH = f"/apis/{GROUP}/v1"
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/v1",
    "resources": [
        {"name": "readings", "singularName": "reading", "namespaced": True, "kind": "Reading", "verbs": ["get", "list", "watch"]},
        {"name": "readings/status", "singularName": "", "namespaced": True, "kind": "Reading", "verbs": ["get"]},
    ],
}
AGGREGATED = {
    "kind": "APIGroupDiscoveryList",
    "apiVersion": "apidiscovery.k8s.io/v2",
    "items": [
        {
            "metadata": {"name": GROUP},
            "versions": [
                {
                    "version": "v1",
                    "resources": [
                        {
                            "resource": "readings",
                            "responseKind": {"group": GROUP, "version": "v1", "kind": "Reading"},
                            "scope": "Namespaced",
                            "singularResource": "reading",
                            "verbs": ["get", "list"],
                        }
                    ],
                }
            ],
        }
    ],
}
OPENAPI_V3 = {"openapi": "3.0.0", "info": {"title": "readings"}, "components": {"schemas": {"com.example.Reading": {"type": "object"}}}}


READINGS = f"{PATH}/namespaces/{{namespace}}/readings"
SHOWN = {"200": {"schema": {"$ref": "#/definitions/com.example.Reading"}}}
OPENAPI_V2 = {
    "swagger": "2.0",
    "paths": {READINGS: {"get": {"parameters": [{"$ref": "#/parameters/pretty-1"}], "responses": SHOWN}}},
    "definitions": {
        "com.example.Reading": {"properties": {"metadata": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}}},
        "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "description": "another"},
    },
    "parameters": {"pretty-1": {"name": "pretty", "in": "query", "type": "string"}},
}


@dataclass
class ExtensionServer:
    """`seen` are the requests as they came; `aggregates` and `fails` say how it behaves."""

    folder: Path
    port: int = 0
    aggregates: bool = False
    fails: int = 0
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def ca_bundle(self) -> str:
        return base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.read())
        if self.fails:
            return web.Response(status=self.fails, text="out of order")
        match request.path:
            case "/apis" if self.aggregates and "as=APIGroupDiscoveryList" in request.headers.get("Accept", ""):
                kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                return web.json_response(AGGREGATED, headers={"Content-Type": kind})
            case path if path == PATH:
                return web.json_response(RESOURCES)
            case "/openapi/v3":
                return web.json_response({"paths": {PATH[1:]: {"serverRelativeURL": f"/openapi/v3{PATH}?hash=ABC"}}})
            case "/openapi/v2":
                return web.json_response(OPENAPI_V2)
            case path if path == f"/openapi/v3{PATH}":
                return web.json_response(OPENAPI_V3)
        if request.query.get("watch"):
            return await self._watch(request)
        if request.path.endswith("/stream"):
            return await self._echo(request)
        if request.path.endswith("/moved"):
            return web.Response(status=302, headers={"Location": "https://192.0.2.1/"})
        return web.json_response({"kind": "Reading", "apiVersion": f"{GROUP}/v1", "metadata": {"name": "a"}})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for number in range(3):
            await response.write(b'{"type":"ADDED","object":{"number":%d}}\n' % number)
            await asyncio.sleep(0.01)
        return response

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                await socket.send_bytes(message.data.upper())
        return socket


@contextlib.asynccontextmanager
async def extension_server(folder: Path, name: str = "readings.default.svc") -> AsyncIterator[ExtensionServer]:
    """It believes the front proxy of this folder, and shows a certificate for `name`."""
    leaves = [certificates.Subject("extension", name, names=[name]), certificates.FRONT_PROXY_CLIENT]
    certificates.make_leaves(folder, leaves, SystemClock(), Entropy())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "front-proxy-ca.crt"))
    context.load_cert_chain(folder / "extension.crt", folder / "extension.key")
    context.verify_mode = ssl.CERT_REQUIRED
    server = ExtensionServer(folder)
    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield server
    finally:
        await runner.cleanup()


def service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "readings"},
        "spec": {"ports": [{"name": "https", "port": 443}]},
    }


def endpoint_slice() -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "readings", "labels": {"kubernetes.io/service-name": "readings"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.9"], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": 443}],
    }


def apiservice(ca_bundle: str, **spec: Any) -> dict[str, Any]:
    reference = {"namespace": "default", "name": "readings", "port": 443}
    said = {"group": GROUP, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 15, "service": reference}
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{GROUP}"},
        "spec": {**said, **({"caBundle": ca_bundle} if ca_bundle else {}), **spec},
    }
