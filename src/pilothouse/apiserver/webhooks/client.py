"""WebhookClient: one POST to a webhook, over connections that are kept.

- A call ends within its seconds, whatever the other side does; an answer is bounded in bytes; redirects are not followed.
- A webhook answers in the machine's own time, also in a cluster whose time is virtual, and stands still meanwhile (`hold`).
- Connections are shared by the calls of one endpoint and one bundle, and bounded in number. One that the other side has closed while it
  was idle costs a second attempt, not the call.
- It dials whatever a configuration names, as upstream: who may write configurations of webhooks may do everything.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    TraceConfig,
)
from yarl import URL

from pilothouse import API_LEVEL
from pilothouse.apiserver.webhooks import tls
from pilothouse.apiserver.webhooks.answers import JSON, body_of
from pilothouse.apiserver.webhooks.endpoint import Endpoint, Identity, Service
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.apiserver.webhooks.services import Address
from pilothouse.client import dialing
from pilothouse.client.neterrors import ADDRESS_MISMATCH, CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID, HOST_MISMATCH, why
from pilothouse.kit.clock import Clock, SystemClock, wait_for
from pilothouse.kit.offload import in_thread

ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
CONNECTIONS_LIMIT = 1024
IDLE_SECONDS = 90.0
CONTEXTS_LIMIT = 256
HEADERS = {
    "Accept": "application/json, */*",
    "Accept-Encoding": "identity",
    "Content-Type": JSON,
    "User-Agent": f"kube-apiserver-admission v{API_LEVEL}",
}
IN_CERTIFICATE = (CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID, HOST_MISMATCH, ADDRESS_MISMATCH)
Resolve = Callable[[Service], Awaitable[Address]]
"""The address of a Service; CallFailed when it has none."""
Hold = Callable[[], AbstractContextManager[None]]


class WebhookClient:
    """HTTPS client for webhooks. One per API server; close it with `aclose`."""

    def __init__(self, resolve: Resolve, clock: Clock | None = None, *, hold: Hold = nullcontext) -> None:
        self._resolve = resolve
        self._hold = hold
        self._clock = clock or SystemClock()
        self._session: ClientSession | None = None
        self._contexts: OrderedDict[tuple[str, Identity], ssl.SSLContext] = OrderedDict()

    async def call(self, endpoint: Endpoint, review: bytes, seconds: float, limit_bytes: int = ANSWER_LIMIT_BYTES) -> bytes:
        """The body, JSON, that the webhook answers `review` with; CallFailed for anything else."""
        url = endpoint.url(seconds)
        try:
            with self._hold():
                return await wait_for(self._clock, self._call(endpoint, url, review, limit_bytes), seconds)
        except TimeoutError as error:
            raise _post_failed(url, "context deadline exceeded") from error

    def now(self) -> float:
        """Monotonic seconds of the time in which webhooks answer."""
        return self._clock.monotonic()

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _call(self, endpoint: Endpoint, url: str, review: bytes, limit_bytes: int) -> bytes:
        context = await self._context(endpoint) if endpoint.scheme == "https" else None
        host, port = await self._address(endpoint, url)
        dialled = _dialled(endpoint.scheme, host, port, endpoint.path, url.partition("?")[2])
        try:
            return await self._post(dialled, endpoint, context, review, limit_bytes)
        except ClientConnectorCertificateError as error:
            raise _post_failed(url, await self._complaint(error, endpoint, (host, port))) from error
        except (ClientError, OSError) as error:
            raise _post_failed(url, why(error, str(dialled))) from error

    async def _address(self, endpoint: Endpoint, url: str) -> Address:
        try:
            if endpoint.by_administrator:
                return str(await dialing.resolve_configured(endpoint.host)), endpoint.port
            if endpoint.service is not None:
                return await self._resolve(endpoint.service)
        except (CallFailed, dialing.NotAllowed) as failed:
            raise _post_failed(url, str(failed)) from failed
        return endpoint.host, endpoint.port

    async def _post(self, url: URL, endpoint: Endpoint, context: ssl.SSLContext | None, review: bytes, limit_bytes: int) -> bytes:
        """One attempt; a second one where a kept connection turns out to be closed."""
        for is_last in (False, True):
            trace = SimpleNamespace(is_reused=False)
            try:
                async with self._opened().post(
                    url,
                    data=review,
                    headers=_headers(endpoint),
                    ssl=context if context is not None else True,
                    server_hostname=(endpoint.identity.server_name or endpoint.host) if context is not None else None,
                    allow_redirects=False,
                    trace_request_ctx=trace,
                ) as response:
                    return body_of(response.status, response.headers.get("Content-Type", ""), await _read(response, limit_bytes))
            except ClientConnectorError:
                raise
            except (ServerDisconnectedError, ClientOSError):
                if is_last or not trace.is_reused:
                    raise
        raise AssertionError("the second attempt returns or raises")

    def _opened(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=CONNECTIONS_LIMIT, keepalive_timeout=IDLE_SECONDS),
                timeout=ClientTimeout(total=None),
                headers=HEADERS,
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                trace_configs=[_noting_reuse()],
            )
        return self._session

    async def _context(self, endpoint: Endpoint) -> ssl.SSLContext:
        """Made once a bundle: those of the machine are read from a hundred files."""
        key = endpoint.ca_bundle, endpoint.identity
        context = self._contexts.get(key)
        if context is None:
            context = await in_thread(self._make_context, *key)
            while len(self._contexts) > CONTEXTS_LIMIT:
                self._contexts.popitem(last=False)
        return context

    def _make_context(self, ca_bundle: str, identity: Identity) -> ssl.SSLContext:
        """In a thread; kept also when the call that wanted it has given up, so that a slow disk costs one call and not every call."""
        context = self._contexts.get((ca_bundle, identity))
        if context is None:
            context = self._contexts[ca_bundle, identity] = tls.context_of(ca_bundle, identity)
        return context

    async def _complaint(self, error: ClientConnectorCertificateError, endpoint: Endpoint, address: Address) -> str:
        """What is wrong with the certificate: what Python does not tell is looked up in it."""
        cause = error.certificate_error
        if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in IN_CERTIFICATE:
            with suppress(OSError):
                certificate = await _certificate_of(address, endpoint.host)
                return tls.complaint(certificate, endpoint.host, self._clock.now())
        return why(error, endpoint.authority)


def _headers(endpoint: Endpoint) -> dict[str, str]:
    """Of a request to the endpoint, beside those of all."""
    authorization = endpoint.identity.authorization
    return {"Host": endpoint.authority, **({"Authorization": authorization} if authorization else {})}


@lru_cache(maxsize=CONTEXTS_LIMIT)
def _dialled(scheme: str, host: str, port: int, path: str, query: str) -> URL:
    """The URL that is dialled: built once, which costs as much as encoding a review."""
    return URL.build(scheme=scheme, host=host, port=port, path=path, query_string=query)


async def _certificate_of(address: Address, host: str) -> bytes:
    import asyncio

    _, writer = await asyncio.open_connection(*address, ssl=tls.open_context(), server_hostname=host)
    try:
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return connection.getpeercert(binary_form=True) or b""
    finally:
        writer.close()


async def _read(response: ClientResponse, limit_bytes: int) -> bytes:
    """The whole body; CallFailed when it is longer than what may be, or breaks off."""
    body = bytearray()
    try:
        async for block in response.content.iter_any():
            body += block
            if len(body) > limit_bytes:
                response.close()
                raise CallFailed(f"{UNREAD}http: response body is larger than {limit_bytes} bytes")
    except ClientError as error:
        raise CallFailed(f"{UNREAD}unexpected EOF") from error
    return bytes(body)


UNREAD = "unexpected error when reading response body. Please retry. Original error: "


def _post_failed(url: str, cause: str) -> CallFailed:
    return CallFailed(f'Post "{url}": {cause}')


def _noting_reuse() -> TraceConfig:
    async def note(session: ClientSession, context: Any, parameters: Any) -> None:
        context.trace_request_ctx.is_reused = True

    config = TraceConfig()
    config.on_connection_reuseconn.append(note)
    return config
