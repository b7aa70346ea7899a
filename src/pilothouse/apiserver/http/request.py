"""`Request`, and the types of handlers in the request chain.

- A `Request` wraps aiohttp's request with what the links found out: which resource it is about, who asks, its deadline.
- Queries are parsed at most once, and only when someone asks.
- Everything that lives longer than one request is reached through `request.api` (context.py).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qs

from aiohttp import web

from pilothouse.apiserver.audit.auditor import Annotations, AuditContext
from pilothouse.apiserver.auth.user import ANONYMOUS, User
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.large_bodies import COUNTED_BYTES
from pilothouse.apiserver.http.request_info import NO_INFO, RequestInfo
from pilothouse.machinery import errors

if TYPE_CHECKING:
    from pilothouse.apiserver.http.context import ApiContext

Response: TypeAlias = Answer | web.StreamResponse
"""An `Answer`, or what an endpoint has already streamed itself (watch, WebSocket, hijacked connections)."""
Handler: TypeAlias = "Callable[[Request], Awaitable[Response]]"
Link: TypeAlias = "Callable[[Request, Handler], Awaitable[Response]]"
"""One that does nothing after the answer is a plain function and hands on what `next` gives: a coroutine less to make and resume."""

BODY_LIMIT_BYTES = 3 * 1024 * 1024
"""Upstream's MaxRequestBodyBytes."""
WEBSOCKET_TOKEN = "base64url.bearer.authorization.k8s.io."
"""A subprotocol in which a browser, that cannot set headers, sends its token."""
MALFORMED = re.compile("%(?![0-9a-fA-F]{2})")
"""A percent sign that begins no escape."""
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
"""A header of what Go's server answers in plain text, and of refusals before anything else is looked at."""
NO_QUERY: dict[str, list[str]] = {}
NO_DESCRIPTIONS: Mapping[str, str] = {}


def parsed_query(text: str) -> dict[str, list[str]]:
    """The parameters as Go's url.Values: pairs with a semicolon or a percent sign that means nothing are left out."""
    if ";" in text or ("%" in text and MALFORMED.search(text)):
        text = "&".join(pair for pair in text.split("&") if ";" not in pair and not MALFORMED.search(pair))
    return parse_qs(text, keep_blank_values=True)


class HttpRequest(web.BaseRequest):
    """aiohttp's request, which tells when its client has gone."""

    gone: Callable[[], None] | None = None
    answer_headers: Sequence[tuple[str, str]] = ()
    """What every answer bears, streams and upgrades too."""
    head_sent: Callable[[int], None] | None = None
    """Told of the code when the head of a stream goes out."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        await super()._prepare_hook(response)
        for name, value in self.answer_headers:
            response.headers.setdefault(name, value)
        if self.head_sent is not None:
            self.head_sent(response.status)

    def _cancel(self, exc: BaseException) -> None:
        super()._cancel(exc)
        if self.gone is not None:
            self.gone()


class Request:
    """One HTTP request in the request chain."""

    __slots__ = (
        "_body",
        "_query",
        "annotations",
        "answer_headers",
        "api",
        "audit",
        "audit_id",
        "column_descriptions",
        "empty_lists",
        "held_bytes",
        "http",
        "info",
        "is_served",
        "method",
        "path",
        "query_string",
        "said_empty",
        "started",
        "user",
        "warnings",
    )

    def __init__(self, http: HttpRequest, api: ApiContext) -> None:
        self.http = http
        self.api = api
        self.method: str = http.method
        target = http._message.path
        if target[:1] != "/":  # the form for proxies, with the server's own address before the path
            target = target.partition("://")[2]
            target = target[target.find("/") :] if "/" in target else "/"
        path, _, query = target.partition("?")
        self.path: str = path
        self.query_string: str = query
        self.info: RequestInfo = NO_INFO
        self.user: User = ANONYMOUS
        self.started = 0.0
        self.audit_id = ""
        """The client's own, or a new one: in the header of the answer, and in the events."""
        self.audit: AuditContext | None = None
        """What is to be recorded of it; None where nothing is."""
        self.annotations: Annotations | None = None if api.registry.auditor is None else Annotations()
        """Of its audit event, also before it is known whether there will be one."""
        self.warnings: list[str] = []
        self.answer_headers: list[tuple[str, str]] = []
        """Headers of whatever is answered."""
        self.column_descriptions: Mapping[str, str] = NO_DESCRIPTIONS
        self.empty_lists: tuple[tuple[str, ...], ...] = ()
        self.said_empty: tuple[Sized, ...] = ()
        """Empty containers of the body's object that the body says, of fields of which some rule asks."""
        self._query: dict[str, list[str]] | None = None
        self._body: bytes | None = None
        self.held_bytes = 0
        self.is_served = False
        """Whether what is asked for is there to be asked: metrics have no labels of anything else."""
        http.answer_headers = self.answer_headers

    def annotate(self, key: str, value: str) -> None:
        """Note something for the audit event, where there is an auditor."""
        if self.annotations is not None:
            self.annotations[key] = value

    @property
    def query(self) -> dict[str, list[str]]:
        """The query parameters, each with all its values in order."""
        if self._query is None:
            text = self.query_string
            self._query = parsed_query(text) if text else NO_QUERY
        return self._query

    def parameter(self, name: str) -> str:
        """The first value of a query parameter, or nothing."""
        values = self.query.get(name) if self.query_string else None
        return values[0] if values else ""

    def header(self, name: str) -> str:
        """Value of a request header, case-insensitive; empty when it is missing."""
        value: str = self.http.headers.get(name, "")
        return value

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the client closes the connection: for streams, which would wait for ever."""
        self.http.gone = callback

    async def body(self) -> bytes:
        """The whole body; StatusError 413 when it is larger than the limit."""
        if self._body is None:
            self._body = await self._read()
        return self._body

    @property
    def body_read(self) -> bytes:
        """The body, if it was read and is still there."""
        return self._body or b""

    @property
    def body_bytes(self) -> int:
        """The length of the body, once it was read."""
        return len(self._body or b"")

    async def _read(self) -> bytes:
        length = self.http.content_length
        if length is not None and length > BODY_LIMIT_BYTES:
            raise errors.too_large(f"Request entity too large: limit is {BODY_LIMIT_BYTES}")
        if not self.http.can_read_body:
            return b""
        if self.http.headers.get("Expect", "").lower() == "100-continue" and self.http.transport is not None:
            self.http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        content = self.http.content
        if content.is_eof() and content.total_bytes <= BODY_LIMIT_BYTES:
            return b"".join(content._buffer)  # all of it has come; a read would parse on, and ask the transport to resume
        parts: list[bytes] = []
        total = 0
        while chunk := await content.readany():
            total += len(chunk)
            if total > BODY_LIMIT_BYTES:
                raise errors.too_large(f"Request entity too large: limit is {BODY_LIMIT_BYTES}")
            if total > COUNTED_BYTES:
                self._hold(total)
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _hold(self, total: int) -> None:
        """Count what has come of a large body against what all may hold."""
        self.api.large_bodies.reserve(total - self.held_bytes)
        self.held_bytes = total

    def release(self) -> None:
        """Give back what the body has taken; it is not needed any more."""
        if self.held_bytes:
            self.api.large_bodies.release(self.held_bytes)
            self.held_bytes = 0
            self._body = None
