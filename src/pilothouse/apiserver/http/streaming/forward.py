"""Forwarding of one HTTP request to a backend: a Pod, a Service endpoint, or a kubelet.

- Bodies stream in both directions; upgrades (WebSocket and others) become pipes.
- Headers of the hop are dropped; the backend learns by X-Forwarded-* where it stands, and by Host what the client asked.
- Redirects and links of pages that lead to the backend itself are led back through the proxy: links.py.
"""

from __future__ import annotations

import gzip
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from yarl import URL

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import WEBSOCKET_TOKEN, Request, Response
from pilothouse.apiserver.http.streaming.kubelets import DIAL_SECONDS, dialing_failed
from pilothouse.apiserver.http.streaming.links import ProxyRoute, rewritten
from pilothouse.apiserver.http.streaming.relay import switch_and_pipe
from pilothouse.client.neterrors import why
from pilothouse.client.streaming.upgrade import UpgradeRefused, upgrade
from pilothouse.machinery import errors

HOP_HEADERS = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
    "authorization", "host", "content-length", "cookie2",
))  # fmt: skip
IDENTITY_HEADERS = ("impersonate-", "x-remote-")
"""Beginnings of the headers that say who somebody is: they are the API server's, no backend's."""
ANSWER_HOP_HEADERS = HOP_HEADERS - {"content-length"}
OF_THE_CLIENT = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that a request has only when its client said them."""
PAGE_LIMIT = 4 << 20
"""Bytes of a page above which its links stay as they are."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Target of a forwarded request.

    `tls` is the context for verification; None with https accepts any certificate, as upstream does for Pods.
    """

    scheme: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    """The name that its certificate must bear, where that is not `host`."""

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def base(self) -> str:
        """Scheme and authority as the start of a URL."""
        return f"{self.scheme}://{self.authority}"


def prefix_and_rest(request: Request) -> tuple[str, str]:
    """The proxy's own path, and what follows it, both as the client wrote them (with its percent signs)."""
    own = 8 if request.info.namespace else 6
    parts = request.path.split("/", own)
    return "/".join(parts[:own]), "/" + parts[own] if len(parts) > own else ""


async def forward(request: Request, backend: Backend) -> Response:
    """Proxy the request to `backend` and give its response; upgrades become pipes.

    Raises a StatusError when the backend cannot be reached.
    """
    prefix, rest = prefix_and_rest(request)
    if not rest and request.method in ("GET", "HEAD"):
        query = f"?{request.query_string}" if request.query_string else ""
        return Answer(301, headers=[("Location", f"{prefix}/{query}")])
    url = f"{backend.base}{rest or '/'}{'?' + request.query_string if request.query_string else ''}"
    if wanted := upgrade_of(request):
        return await upgraded(request, backend, url, wanted, headers_of(request))
    return await _passed(request, backend, url, ProxyRoute(prefix, backend.authority, request.header("Host")))


def upgrade_of(request: Request) -> str:
    """The protocol that the client wants to go on with; "" for an ordinary request."""
    return request.header("Upgrade") if "upgrade" in request.header("Connection").lower() else ""


def headers_of(request: Request) -> list[tuple[str, str]]:
    """Request headers for a backend: without hop-by-hop headers and identity headers."""
    kept = []
    for name, value in request.http.headers.items():
        lower = name.lower()
        if lower == "sec-websocket-protocol":
            value = ", ".join(each for each in map(str.strip, value.split(",")) if not each.startswith(WEBSOCKET_TOKEN))
        if value and lower not in HOP_HEADERS and not lower.startswith(IDENTITY_HEADERS):
            kept.append((name, value))
    host = [("Host", request.header("Host"))] if request.header("Host") else []
    return [*host, *kept, ("X-Forwarded-For", request.http.remote or ""), ("X-Forwarded-Uri", request.path)]


def _tls(backend: Backend) -> ssl.SSLContext | None:
    if backend.scheme != "https" or backend.tls is not None:
        return backend.tls
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def upgraded(request: Request, backend: Backend, url: str, wanted: str, headers: list[tuple[str, str]]) -> Response:
    """Upgrade the connection to the backend, then the client's, and carry bytes between them."""
    try:
        there = await upgrade(url, headers, method=request.method, protocol=wanted, tls=_tls(backend), server_name=backend.server_name)
    except UpgradeRefused as error:
        return Answer(error.status, error.body, error.content_type or "text/plain")
    except OSError as error:
        raise dialing_failed(error, url) from error
    return await switch_and_pipe(request, there, list(there.headers.items()))


async def _passed(request: Request, backend: Backend, url: str, way: ProxyRoute) -> Response:
    connector = TCPConnector(ssl=_tls(backend) or False)
    timeout = ClientTimeout(total=None, sock_connect=DIAL_SECONDS)
    async with ClientSession(connector=connector, timeout=timeout, auto_decompress=False, skip_auto_headers=OF_THE_CLIENT) as session:
        body = request.http.content if request.http.can_read_body else None
        try:
            name = backend.server_name or None
            answer = await session.request(
                request.method, as_is(url), data=body, headers=headers_of(request), allow_redirects=False, server_hostname=name
            )
        except (ClientError, OSError) as error:
            raise errors.unavailable(f"error trying to reach service: {why(error, url)}") from error
        return await streamed(request, answer, way)


def as_is(url: str) -> URL:
    """A URL that aiohttp does not decode and encode again."""
    return URL(url, encoded=True)


async def streamed(request: Request, answer: ClientResponse, way: ProxyRoute | None = None) -> Response:
    """The backend's answer, block by block; with `way` its links to itself lead back through the proxy."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in ANSWER_HOP_HEADERS:
            response.headers.add(name, way.back(value) if way is not None and name.lower() == "location" else value)
    request.on_gone(answer.close)
    request.api.streams.add(answer.close)
    try:
        first_block = await _page(answer, way) if way is not None and _is_page(request, answer) else b""
        if first_block and answer.content.at_eof():
            response.content_length = len(first_block)
        elif "Content-Length" not in answer.headers:
            if request.http.version >= (1, 1):
                response.enable_chunked_encoding()
            else:
                response.force_close()
        await response.prepare(request.http)
        await response.write(first_block)
        async for block in answer.content.iter_any():
            await response.write(block)
        await response.write_eof()
    except (ClientError, ConnectionError):
        request.http.protocol.force_close()  # the answer is cut off: the client must not take it for whole
    finally:
        request.api.streams.discard(answer.close)
    return response


def _is_page(request: Request, answer: ClientResponse) -> bool:
    links = answer.content_type == "text/html" and "Location" not in answer.headers
    return links and request.method != "HEAD" and answer.headers.get("Content-Encoding", "") in CODINGS


Recoding = Callable[[bytes], bytes]
CODINGS: dict[str, tuple[Recoding, Recoding]] = {
    "": (bytes, bytes),
    "gzip": (gzip.decompress, gzip.compress),
    "deflate": (lambda body: zlib.decompress(body, -zlib.MAX_WBITS), lambda body: zlib.compress(body, wbits=-zlib.MAX_WBITS)),
}
"""How pages may be packed: (undone, done again). Upstream's `deflate` is the bare stream."""


async def _page(answer: ClientResponse, way: ProxyRoute) -> bytes:
    """The whole page with its links led back; of one that is too long or cannot be unpacked what was read of it, as it is."""
    read = bytearray()
    while len(read) < PAGE_LIMIT and (block := await answer.content.readany()):
        read += block
    if not answer.content.at_eof():
        return bytes(read)
    unpack, pack = CODINGS[answer.headers.get("Content-Encoding", "")]
    try:
        page = unpack(bytes(read)).decode("latin-1")  # whatever its charset: links and marks are ASCII
    except (OSError, EOFError, zlib.error):
        return bytes(read)
    return pack(rewritten(page, way.back).encode("latin-1", "xmlcharrefreplace"))
