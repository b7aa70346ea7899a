"""Probes over the machine's network: HTTP(S), TCP, gRPC health. Every probe is a connection of its own.

- HTTPS is not verified, as upstream's is not; redirects are followed within the same host only (10 of them), another host
  counts as success with a warning.
- Errors are told in the words of Go's net package, which people search for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from pilothouse.api.types.core_v1 import HTTPGetAction
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kubelet.probes.port import Answer

T = TypeVar("T")
REDIRECTS_LIMIT = 10
HEAD_LIMIT = 64 * 1024
GRPC_OPTIONS = (
    ("grpc.primary_user_agent", "kube-probe/1.34"),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # or a probe would inherit the back-off of an earlier one to the same address
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", HEAD_LIMIT),
)
SERVING = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


class LinuxNetwork:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def http_get(self, action: HTTPGetAction, host: str, port: int, seconds: float, headers: Mapping[str, str]) -> Answer:
        scheme = (action.scheme or "HTTP").lower()
        path = action.path if action.path.startswith("/") else f"/{action.path}"
        url = f"{scheme}://{_joined(host, port)}{path}"
        own = {**headers, **{one.name: one.value for one in action.httpHeaders}}
        try:
            return await wait_for(self._clock, self._follow(url, own), seconds)
        except TimeoutError:
            return Answer(f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)')
        except (OSError, ssl.SSLError, ValueError, EOFError) as error:
            return Answer(f'Get "{url}": {_told(error, host, port)}')

    async def tcp_connect(self, host: str, port: int, seconds: float) -> Answer:
        try:
            _, writer = await wait_for(self._clock, asyncio.open_connection(host, port), seconds)
        except TimeoutError:
            return Answer(f"dial tcp {_joined(host, port)}: i/o timeout")
        except OSError as error:
            return Answer(_told(error, host, port))
        await _closed(writer)
        return Answer()

    async def grpc_check(self, host: str, port: int, service: str, seconds: float) -> Answer:
        from grpc import StatusCode, aio

        address = _joined(host, port)
        async with aio.insecure_channel(address, options=GRPC_OPTIONS) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            try:
                # A connection that fails is tried again until the time is up, as upstream's blocking dial does.
                answer = await wait_for(self._clock, check(_health_request(service), timeout=seconds, wait_for_ready=True), seconds + 1)
            except TimeoutError:
                return Answer(f'timeout: failed to connect service "{address}" within {seconds:g}s: context deadline exceeded')
            except aio.AioRpcError as error:
                return Answer(_grpc_error(error, StatusCode, address, seconds))
        status = SERVING.get(_health_status(answer), "UNKNOWN")
        return Answer("" if status == "SERVING" else f'service unhealthy (responded with "{status}")')

    async def _follow(self, url: str, headers: Mapping[str, str]) -> Answer:
        for _ in range(REDIRECTS_LIMIT):
            status, location = await _request(url, headers)
            if status in {301, 302, 303, 307, 308} and location:
                target = urljoin(url, location)
                if urlsplit(target).hostname != urlsplit(url).hostname:
                    return Answer(warning=f"Probe terminated redirects, Response body: {target}", answered=True)
                url = target
                continue
            return Answer("" if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}", answered=True)
        return Answer(f'Get "{url}": stopped after {REDIRECTS_LIMIT} redirects')


async def _request(url: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and Location; the body is not waited for."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    context = _unverified() if secure else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=HEAD_LIMIT)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        given = {name.lower() for name in headers}
        lines = [f"GET {target or '/'} HTTP/1.1"] + ([] if "host" in given else [f"Host: {parts.netloc}"])
        lines += [f"{name}: {value}" for name, value in headers.items() if value] + ["Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode())
        head = await reader.readuntil(b"\r\n\r\n")
    finally:
        await _closed(writer)
    return _head(head)


def _head(head: bytes) -> tuple[int, str]:
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        raise ValueError(f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{first}"')
    fields = (line.partition(":") for line in rest)
    location = next((value.strip() for name, _, value in fields if name.lower() == "location"), "")
    return int(words[1]), location


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Closed at once: what the other side still says does not matter."""
    writer.transport.abort()


@cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _told(error: BaseException, host: str, port: int) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {_joined(host, port)}: connect: connection refused"
    if isinstance(error, (EOFError, ConnectionResetError)):
        return "EOF" if isinstance(error, EOFError) else "read: connection reset by peer"
    if isinstance(error, ssl.SSLError):
        return _tls_error(error)
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
    return b"\x0a" + _varint(len(name)) + name if name else b""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


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
