"""Probes over the machine's network: HTTP(S), TCP, gRPC health checks.

- HTTPS is not verified, as upstream's is not; redirects are followed within the same host only (10 of them), another host
  counts as success with a warning. One GET is probes/http.py's.
- No answer is waited for beyond the probe's own time, and none is kept beyond a few kilobytes.
- Errors are told in the words of Go's net package, which people search for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from pilothouse.api.protobuf.wire import sized
from pilothouse.api.types.core_v1 import HTTPGetAction
from pilothouse.kit.blocking import BlockingCalls
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kubelet.probes import http
from pilothouse.kubelet.probes.port import MINOR_VERSION, ProbeResult

T = TypeVar("T")
REDIRECTS_LIMIT = 10
LOOK_UP_SECONDS, LOOK_UPS_LIMIT = 30.0, 16
MESSAGE_LIMIT = 64 * 1024
GRPC_OPTIONS = (
    ("grpc.primary_user_agent", f"kube-probe/{MINOR_VERSION}"),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # or a probe would inherit the back-off of an earlier one to the same address
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
)
SERVING = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


class LinuxNetwork:
    """Probes over the machine's network, each on a connection of its own."""

    def __init__(self, clock: Clock, calls: BlockingCalls | None = None) -> None:
        self._clock = clock
        self._calls = calls or BlockingCalls(clock, LOOK_UPS_LIMIT)

    async def http_get(self, action: HTTPGetAction, host: str, port: int, seconds: float, headers: Mapping[str, str]) -> ProbeResult:
        """GET the probe's path; `headers` are those that the probe does not set itself."""
        scheme = (action.scheme or "HTTP").lower()
        path = action.path if action.path.startswith("/") else f"/{action.path}"
        url = f"{scheme}://{_joined(host, port)}{path}"
        own = [(header.name, header.value) for header in action.httpHeaders]
        given = {name.lower() for name, _ in own}
        own = [*((name, value) for name, value in headers.items() if name.lower() not in given), *own]
        try:
            return await wait_for(self._clock, self._follow(url, own), seconds)
        except TimeoutError:
            return ProbeResult(f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)')
        except http.BodyError as error:
            return ProbeResult(unknown=str(error), answered=True)
        except (OSError, ssl.SSLError, ValueError, EOFError) as error:
            return ProbeResult(f'Get "{url}": {_told(error, host, port)}')

    async def tcp_connect(self, host: str, port: int, seconds: float) -> ProbeResult:
        """Open a TCP connection and close it."""
        try:
            _, writer = await wait_for(self._clock, self._connected(host, port), seconds)
        except TimeoutError:
            return ProbeResult(f"dial tcp {_joined(host, port)}: i/o timeout")
        except (OSError, ValueError) as error:
            return ProbeResult(_told(error, host, port))
        await _closed(writer)
        return ProbeResult()

    async def _connected(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(await self._looked_up(host), port)

    async def grpc_check(self, host: str, port: int, service: str, seconds: float) -> ProbeResult:
        """Call gRPC's health check for `service`."""
        from grpc import StatusCode, aio

        address = _joined(host, port)
        async with aio.insecure_channel(address, options=GRPC_OPTIONS) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            try:
                # A connection that fails is tried again until the time is up, as upstream's blocking dial does.
                answer = await wait_for(self._clock, check(_health_request(service), timeout=seconds, wait_for_ready=True), seconds + 1)
            except TimeoutError:
                return ProbeResult(f'timeout: failed to connect service "{address}" within {seconds:g}s: context deadline exceeded')
            except aio.AioRpcError as error:
                return ProbeResult(_grpc_error(error, StatusCode, address, seconds))
        status = SERVING.get(_health_status(answer), "UNKNOWN")
        return ProbeResult("" if status == "SERVING" else f'service unhealthy (responded with "{status}")')

    async def _follow(self, url: str, headers: http.Headers) -> ProbeResult:
        """Redirects to the same host name only, at most 10; the answer that leads elsewhere is the result (upstream's RedirectChecker)."""
        first = urlsplit(url).hostname or ""
        address = await self._looked_up(first)
        for _ in range(REDIRECTS_LIMIT):
            response = await http.get(url, headers, address)
            target = redirected(url, response.status, response.location)
            if target is None or (urlsplit(target).hostname or "") != first:
                return _judged(response)
            url = target
        return ProbeResult(f'Get "{url}": stopped after {REDIRECTS_LIMIT} redirects')

    async def _looked_up(self, host: str) -> str:
        """The address of a host name; in a thread, for name servers may be silent."""
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            return await self._calls.run(f"look up {host}", LOOK_UP_SECONDS, _address, host)


def redirected(url: str, status: int, location: str | None) -> str | None:
    """Target of a redirect; None when the response is not one. Pure."""
    if status not in {301, 302, 303, 307, 308} or not location:
        return None
    try:
        target = urljoin(url, location)
        urlsplit(target).port  # noqa: B018 - a port that is no number is an error
    except ValueError as error:
        raise ValueError(f'failed to parse Location header "{location[:200]}": {error}') from error
    return target


def _judged(response: http.Response) -> ProbeResult:
    if not 200 <= response.status < 400:
        return ProbeResult(f"HTTP probe failed with statuscode: {response.status}", answered=True)
    if response.status >= 300:
        body = response.body.decode(errors="replace")
        return ProbeResult(warning=f"Probe terminated redirects, Response body: {body}", answered=True)
    return ProbeResult(answered=True)


def _address(host: str) -> str:
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Closed at once: what the other side still says does not matter."""
    writer.transport.abort()


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _told(error: BaseException, host: str, port: int) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {_joined(host, port)}: connect: connection refused"
    if isinstance(error, (EOFError, ConnectionResetError)):
        return "EOF" if isinstance(error, EOFError) else "read: connection reset by peer"
    if isinstance(error, ssl.SSLError):
        return _tls_error(error)
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: no such host"
    if isinstance(error, UnicodeError):
        return f"dial tcp: lookup {host}: invalid name"
    if isinstance(error, OSError) and error.strerror:
        return f"dial tcp {_joined(host, port)}: connect: {error.strerror.lower()}"
    return str(error)


def _tls_error(error: ssl.SSLError) -> str:
    """OpenSSL's reasons in the words of Go's crypto/tls."""
    reason = error.reason or ""
    if reason == "WRONG_VERSION_NUMBER":  # what HTTP looks like to it
        return "http: server gave HTTP response to HTTPS client"
    _, alert, told = reason.partition("ALERT_")
    return f"remote error: tls: {told.lower().replace('_', ' ')}" if alert else f"tls: {reason.lower().replace('_', ' ') or error}"


def _health_request(service: str) -> bytes:
    """A HealthCheckRequest: field 1, a string."""
    name = service.encode()
    return b"\x0a" + sized(name) if name else b""


def _health_status(answer: bytes) -> int:
    """Field 1 of a HealthCheckResponse; zero is not sent."""
    return answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0


def _grpc_error(error: object, codes: type, address: str, seconds: float) -> str:
    code, details = error.code(), error.details()  # type: ignore[attr-defined]
    if code == codes.UNIMPLEMENTED:  # type: ignore[attr-defined]
        return f"error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {details}"
    if code in {codes.UNAVAILABLE, codes.DEADLINE_EXCEEDED}:  # type: ignore[attr-defined]
        return f'timeout: failed to connect service "{address}" within {seconds:g}s: context deadline exceeded'
    return f"error: health rpc failed: rpc error: code = {code.name} desc = {details}"
