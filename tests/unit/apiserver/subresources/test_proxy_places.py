"""Where proxy subresources lead, and where never: upstream's answers for names, ports, endpoints and addresses that must not be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from pilothouse.api.types.core_v1 import ObjectReference, Service, ServicePort, ServiceSpec
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming.forward import Backend
from pilothouse.apiserver.subresources import proxy
from pilothouse.client.client import Client
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.subresources.streaming_house import House, house, running_pod

NAMESPACE = "/api/v1/namespaces/default"
OF_POD = ObjectReference(kind="Pod", namespace="default", name="back")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[House, aiohttp.ClientSession]]:
    async with house(tmp_path) as one, aiohttp.ClientSession(one.served.url) as session:
        yield one, session


async def refusal(session: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with session.get(f"{path}/proxy/") as answer:
        return answer.status, (await answer.json())["message"]


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/api/v1/nodes/a:b:c:d", 400, 'invalid node request "a:b:c:d"'),
        ("/api/v1/nodes/ftp:n1:80", 400, 'invalid node request "ftp:n1:80"'),
        ("/api/v1/nodes/:80", 400, 'invalid node request ":80"'),
        (f"{NAMESPACE}/pods/https::1", 400, 'invalid pod request "https::1"'),
        (f"{NAMESPACE}/services/x:y:z", 400, 'invalid service request "x:y:z"'),
        ("/api/v1/nodes/n1:99999", 503, "error trying to reach service: dial tcp: address 99999: invalid port"),
        (f"{NAMESPACE}/pods/web:{'9' * 5000}", 503, f"error trying to reach service: dial tcp: address {'9' * 5000}: invalid port"),
        (f"{NAMESPACE}/pods/web:%D9%A1", 400, 'invalid port "\u0661"'),
        (f"{NAMESPACE}/services/none", 503, 'no endpoints available for service "none"'),
        (f"{NAMESPACE}/services/none:80", 404, 'services "none" not found'),
    ],
)
async def test_what_cannot_be_a_place(place: tuple[House, aiohttp.ClientSession], path: str, code: int, message: str) -> None:
    assert await refusal(place[1], path) == (code, message)


@pytest.mark.parametrize("path", ["/api/v1/nodes/n1", "/api/v1/nodes/n1:8080", f"{NAMESPACE}/pods/web", f"{NAMESPACE}/pods/web:8080"])
async def test_the_machines_own_loopback_is_no_place(place: tuple[House, aiohttp.ClientSession], path: str) -> None:
    place[0].served.server.api.dialable = ()
    assert await refusal(place[1], path) == (400, "address not allowed")


@pytest.mark.parametrize(
    ("target", "address", "reached"),
    [
        pytest.param(OF_POD, "192.0.2.7", True, id="the pod's own address"),
        pytest.param(None, "192.0.2.7", False, id="an endpoint of no pod"),
        pytest.param(ObjectReference(kind="Pod", namespace="kube-system", name="back"), "192.0.2.7", False, id="of another namespace"),
        pytest.param(ObjectReference(kind="Pod", namespace="default", name="gone"), "192.0.2.7", False, id="a pod that is not there"),
        pytest.param(OF_POD, "192.0.2.8", False, id="an address that is not the pod's"),
    ],
)
async def test_a_service_leads_to_its_pods_only(
    place: tuple[House, aiohttp.ClientSession],
    monkeypatch: pytest.MonkeyPatch,
    target: ObjectReference | None,
    address: str,
    reached: bool,
) -> None:
    backends = []

    async def forward(request: Request, backend: Backend) -> Response:
        backends.append(backend.authority)
        return Answer(200, b'{"message":"reached"}')

    monkeypatch.setattr(proxy, "forward", forward)
    await serve(place[0], target, address)
    answers = [await refusal(place[1], f"{NAMESPACE}/services/front:{port}") for port in ("http", "80")]
    refused = (503, 'no endpoints available for service "front"')
    assert answers == [(200, "reached") if reached else refused] * 2
    assert backends == ["192.0.2.7:9"] * (2 * reached)


async def serve(one: House, target: ObjectReference | None, address: str) -> None:
    """The service `front` with one endpoint, and the pod `back` at 192.0.2.7."""
    client = Client(one.served.registry.transport(ADMIN))
    await running_pod(client, "back", "n1", "192.0.2.7")
    spec = ServiceSpec(ports=[ServicePort(name="http", port=80)])
    await client.create(Service(metadata=ObjectMeta(name="front", namespace="default"), spec=spec))
    meta = ObjectMeta(name="front", namespace="default", labels={"kubernetes.io/service-name": "front"})
    ports, endpoints = [EndpointPort(name="http", port=9)], [Endpoint(addresses=[address], targetRef=target)]
    await client.create(EndpointSlice(metadata=meta, addressType="IPv4", endpoints=endpoints, ports=ports))
