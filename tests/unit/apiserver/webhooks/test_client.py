"""Calls of webhooks over real TLS: what is sent, whom the server believes, and upstream's words for all that goes wrong."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pilothouse.api.types.admissionregistration_v1 import ServiceReference, WebhookClientConfig
from pilothouse.apiserver.webhooks import tls
from pilothouse.apiserver.webhooks.client import WebhookClient
from pilothouse.apiserver.webhooks.endpoint import Endpoint, Service, endpoint_of
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.apiserver.webhooks.services import Address
from tests.unit.apiserver.webhooks.servers import Certificate, Raw, certificate, serving_raw, serving_webhook

REVIEW = b'{"kind":"AdmissionReview"}'


async def nowhere(service: Service) -> Address:
    raise CallFailed(f'service "{service.name}" not found')


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("localhost"), ["localhost", "webhook.shop.svc", "127.0.0.1"])


@pytest.fixture
async def client() -> AsyncIterator[WebhookClient]:
    client = WebhookClient(nowhere)
    yield client
    await client.aclose()


def endpoint(port: int, bundle: str = "", path: str = "/validate", host: str = "localhost") -> Endpoint:
    return endpoint_of(WebhookClientConfig(url=f"https://{host}:{port}{path}", caBundle=bundle))


async def failure(client: WebhookClient, asked: Endpoint, seconds: float = 10, **options: Any) -> CallFailed:
    with pytest.raises(CallFailed) as raised:
        await client.call(asked, REVIEW, seconds, **options)
    return raised.value


@pytest.mark.parametrize(
    ("config", "url"),
    [
        pytest.param(WebhookClientConfig(url="https://example.com"), "https://example.com/?timeout=10s", id="no path"),
        pytest.param(WebhookClientConfig(url="https://example.com:8443/a/b/"), "https://example.com:8443/a/b?timeout=10s", id="path"),
        pytest.param(WebhookClientConfig(url="https://me:you@example.com/a"), "https://example.com/a?timeout=10s", id="user"),
        pytest.param(
            WebhookClientConfig(service=ServiceReference(namespace="n", name="s")), "https://s.n.svc:443/?timeout=10s", id="service"
        ),
        pytest.param(
            WebhookClientConfig(service=ServiceReference(namespace="n", name="s", path="validate", port=8443)),
            "https://s.n.svc:8443/validate?timeout=10s",
            id="service with port and path",
        ),
    ],
)
def test_a_client_config_means_a_url(config: WebhookClientConfig, url: str) -> None:
    assert endpoint_of(config).url(10) == url


@pytest.mark.parametrize(("seconds", "shown"), [(1, "1s"), (9.2, "10s"), (30, "30s"), (90, "1m30s"), (60, "1m0s")])
def test_seconds_are_shown_as_go_shows_them(seconds: float, shown: str) -> None:
    assert endpoint_of(WebhookClientConfig(url="https://a")).url(seconds).endswith(f"?timeout={shown}")


def test_a_client_config_may_mean_nothing() -> None:
    with pytest.raises(CallFailed, match="webhook configuration must have either service or URL"):
        endpoint_of(WebhookClientConfig())


async def test_a_call_posts_json_and_keeps_its_connection(client: WebhookClient, localhost: Certificate) -> None:
    async with serving_webhook(lambda review: {"seen": review["kind"]}, localhost) as server:
        asked = endpoint(server.port, localhost.bundle)
        for _ in range(3):
            assert await client.call(asked, REVIEW, 10) == b'{"seen":"AdmissionReview"}'
    assert len(server.connections) == 1
    headers = server.requests[0].headers
    assert server.requests[0].path_qs == "/validate?timeout=10s"
    assert (headers["Content-Type"], headers["Accept"], headers["Host"]) == (
        "application/json",
        "application/json, */*",
        f"localhost:{server.port}",
    )
    assert headers["User-Agent"].startswith("kube-apiserver-admission")


async def test_a_service_is_dialled_at_its_address_and_known_by_its_name(localhost: Certificate) -> None:
    async with serving_webhook(lambda review: {}, localhost) as server:

        async def resolve(service: Service) -> Address:
            assert service == Service("shop", "webhook", 443)
            return "127.0.0.1", server.port

        client = WebhookClient(resolve)
        config = WebhookClientConfig(service=ServiceReference(namespace="shop", name="webhook"), caBundle=localhost.bundle)
        assert await client.call(endpoint_of(config), REVIEW, 10) == b"{}"
        assert server.requests[0].headers["Host"] == "webhook.shop.svc:443"
        other = WebhookClientConfig(service=ServiceReference(namespace="other", name="webhook"), caBundle=localhost.bundle)
        client = WebhookClient(lambda service: resolve(Service("shop", "webhook", 443)))
        said = 'Post "https://webhook.other.svc:443/?timeout=10s": tls: failed to verify certificate: x509: certificate is valid for '
        assert str(await failure(client, endpoint_of(other))) == f"{said}localhost, webhook.shop.svc, not webhook.other.svc"
        await client.aclose()


async def test_a_service_that_is_not_there(client: WebhookClient) -> None:
    config = WebhookClientConfig(service=ServiceReference(namespace="shop", name="webhook", path="/v"))
    said = 'Post "https://webhook.shop.svc:443/v?timeout=3s": service "webhook" not found'
    assert str(await failure(client, endpoint_of(config), 3)) == said


@pytest.mark.parametrize(
    ("names", "days", "host", "complaint"),
    [
        pytest.param(["other.example"], (-1, 9), "localhost", "certificate is valid for other.example, not localhost", id="another name"),
        pytest.param([], (-1, 9), "localhost", "certificate is not valid for any names, but wanted to match localhost", id="no name"),
        pytest.param(["localhost"], (-9, -1), "localhost", "certificate has expired or is not yet valid: current time ", id="expired"),
        pytest.param(["localhost"], (1, 9), "localhost", "certificate has expired or is not yet valid: current time ", id="not yet valid"),
        pytest.param(
            ["localhost"],
            (-1, 9),
            "127.0.0.1",
            "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
            id="no IP",
        ),
        pytest.param(["10.0.0.1"], (-1, 9), "127.0.0.1", "certificate is valid for 10.0.0.1, not 127.0.0.1", id="another IP"),
    ],
)
async def test_a_certificate_is_refused(
    client: WebhookClient, tmp_path: Path, names: list[str], days: tuple[int, int], host: str, complaint: str
) -> None:
    made = certificate(tmp_path, names, days=days)
    async with serving_webhook(lambda review: {}, made) as server:
        said = str(await failure(client, endpoint(server.port, made.bundle, host=host)))
    assert f'?timeout=10s": tls: failed to verify certificate: x509: {complaint}' in said
    assert not server.reviews


async def test_a_name_that_is_no_alternative_name_does_not_count(client: WebhookClient, tmp_path: Path) -> None:
    made = certificate(tmp_path, [], common_name="localhost")
    async with serving_webhook(lambda review: {}, made) as server:
        said = str(await failure(client, endpoint(server.port, made.bundle)))
    assert said.endswith("x509: certificate relies on legacy Common Name field, use SANs instead")


async def test_only_the_bundle_is_believed(client: WebhookClient, localhost: Certificate, tmp_path: Path) -> None:
    async with serving_webhook(lambda review: {}, localhost) as server:
        for bundle in (certificate(tmp_path).bundle, ""):
            said = str(await failure(client, endpoint(server.port, bundle)))
            assert said.endswith("tls: failed to verify certificate: x509: certificate signed by unknown authority")
        said = str(await failure(client, endpoint(server.port, "bm90IGEgY2VydGlmaWNhdGU=")))
        assert said == "unable to load root certificates: unable to parse bytes as PEM block"


async def test_nobody_listens(client: WebhookClient) -> None:
    async with serving_raw(lambda reader, writer: asyncio.sleep(0), None) as port:
        pass
    said = str(await failure(client, endpoint(port)))
    assert said == f'Post "https://localhost:{port}/validate?timeout=10s": dial tcp 127.0.0.1:{port}: connect: connection refused'


async def test_a_server_without_tls(client: WebhookClient) -> None:
    async def talk(reader: Any, writer: asyncio.StreamWriter) -> None:
        pass

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert str(await failure(client, endpoint(port))).endswith(": http: server gave HTTP response to HTTPS client")
    server.close()


def writing(*pieces: bytes, pause: float = 0.0, repeated: int = 1) -> Raw:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(repeated):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)

    return talk


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("talk", "complaint"),
    [
        pytest.param(writing(), "EOF", id="closes"),
        pytest.param(writing(b"", pause=5, repeated=9), "context deadline exceeded", id="says nothing"),
        pytest.param(writing(OK, pause=5), "context deadline exceeded", id="stops in its head"),
        pytest.param(writing(OK + b"\r\n", b" " * 100, pause=0.1, repeated=900), "context deadline exceeded", id="drips for ever"),
        pytest.param(writing(b"nonsense\r\n\r\n"), "net/http: HTTP/1.x transport connection broken: malformed HTTP response", id="no HTTP"),
    ],
)
async def test_a_server_that_speaks_badly(client: WebhookClient, localhost: Certificate, talk: Raw, complaint: str) -> None:
    async with serving_raw(talk, localhost) as port:
        said = str(await failure(client, endpoint(port, localhost.bundle), 0.5))
    assert said == f'Post "https://localhost:{port}/validate?timeout=1s": {complaint}'


@pytest.mark.parametrize(
    ("talk", "complaint"),
    [
        pytest.param(writing(OK + b"Content-Length: 100\r\n\r\n{}"), "unexpected EOF", id="breaks off"),
        pytest.param(writing(OK + b"\r\n", b" " * 65536, repeated=9999), "http: response body is larger than 100000 bytes", id="endless"),
        pytest.param(
            writing(OK + b"Content-Length: 99999999\r\n\r\n", b" " * 65536, repeated=99),
            "http: response body is larger than 100000 bytes",
            id="large",
        ),
    ],
)
async def test_an_answer_that_cannot_be_read(client: WebhookClient, localhost: Certificate, talk: Raw, complaint: str) -> None:
    async with serving_raw(talk, localhost) as port:
        said = str(await failure(client, endpoint(port, localhost.bundle), limit_bytes=100_000))
    assert said == f"unexpected error when reading response body. Please retry. Original error: {complaint}"


async def test_a_connection_that_was_closed_while_idle_is_no_failure(client: WebhookClient, localhost: Certificate) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(REVIEW))
        writer.write(OK + b"Content-Length: 2\r\n\r\n{}")
        await writer.drain()
        await reader.read(1)  # the next request on this connection is never answered

    async with serving_raw(talk, localhost) as port:
        for _ in range(3):
            assert await client.call(endpoint(port, localhost.bundle), REVIEW, 10) == b"{}"


STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "not today", "reason": "Forbidden", "code": 403}


@pytest.mark.parametrize(
    ("response", "complaint", "code"),
    [
        pytest.param({"status": 404}, "the server could not find the requested resource", 404, id="404"),
        pytest.param({"status": 400, "text": "go away"}, "the server rejected our request for an unknown reason", 400, id="400"),
        pytest.param({"status": 403, "text": "go away\n"}, "go away", 403, id="403 keeps its text"),
        pytest.param(
            {"status": 500, "text": 'it "broke"\n'},
            'an error on the server ("it \\"broke\\"") has prevented the request from succeeding',
            500,
            id="500",
        ),
        pytest.param(
            {"status": 502, "body": b"{}", "content_type": "application/json"},
            'an error on the server ("unknown") has prevented the request from succeeding',
            502,
            id="502 that is no text",
        ),
        pytest.param({"status": 503}, "the server is currently unable to handle the request", 503, id="503"),
        pytest.param({"status": 418}, "the server responded with the status code 418 but did not return more information", 418, id="418"),
        pytest.param(
            {"status": 302, "headers": {"Location": "https://localhost/elsewhere"}},
            "the server responded with the status code 302 but did not return more information",
            302,
            id="a redirect is not followed",
        ),
        pytest.param({"status": 500, "json": STATUS}, "not today", 403, id="a Status"),
        pytest.param(
            {"status": 200, "body": b"", "content_type": "application/json"},
            "0-length response with status code: 200 and content type: application/json",
            503,
            id="nothing",
        ),
    ],
)
async def test_an_answer_that_is_an_error(
    client: WebhookClient, localhost: Certificate, response: dict[str, Any], complaint: str, code: int
) -> None:
    def answer(review: Any) -> web.Response:
        said = dict(response)
        return web.json_response(said.pop("json"), **said) if "json" in said else web.Response(**said)

    async with serving_webhook(answer, localhost) as server:
        failed = await failure(client, endpoint(server.port, localhost.bundle))
    assert (str(failed), failed.code) == (complaint, code)


async def test_whatever_type_an_answer_says_it_is_of_it_is_read(client: WebhookClient, localhost: Certificate) -> None:
    async with serving_webhook(lambda review: web.Response(text="{}", content_type="text/html"), localhost) as server:
        assert await client.call(endpoint(server.port, localhost.bundle), REVIEW, 10) == b"{}"


async def test_what_a_call_that_gave_up_has_waited_for_is_there_for_the_next(
    client: WebhookClient, localhost: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, begin, real = [], threading.Event(), tls.context_of

    def slowly(ca_bundle: str, *identity: object) -> ssl.SSLContext:
        begin.wait(30)
        made.append(ca_bundle)
        return real(ca_bundle)

    monkeypatch.setattr(tls, "context_of", slowly)
    async with serving_webhook(lambda review: {}, localhost) as server:
        asked = endpoint(server.port, localhost.bundle)
        for _ in range(2):
            assert str(await failure(client, asked, 0.1)).endswith("context deadline exceeded")
        begin.set()
        assert await client.call(asked, REVIEW, 10) == b"{}"
    assert made == [localhost.bundle]


async def test_many_calls_at_once_and_a_server_that_comes_and_goes(client: WebhookClient, localhost: Certificate) -> None:
    async with serving_webhook(lambda review: {}, localhost) as server:
        asked = endpoint(server.port, localhost.bundle)
        assert await asyncio.gather(*(client.call(asked, REVIEW, 10) for _ in range(50))) == [b"{}"] * 50
    failed = await asyncio.gather(*(client.call(asked, REVIEW, 10) for _ in range(50)), return_exceptions=True)
    assert {type(each) for each in failed} == {CallFailed}
    async with serving_webhook(lambda review: {}, localhost) as server:
        assert await client.call(replace(asked, port=server.port), REVIEW, 10) == b"{}"
