"""The API server: HTTP in, registry out.

- Listens on addresses, or on sockets that were opened elsewhere (in another network namespace); with TLS it asks for client
  certificates of its own CA.
- `CHAIN` is the way of every request, in order; each link is one file in chain/ taking (request, next).
- `started` is set when it answers. When `run` is cancelled it stops listening, ends the watches, lets what is being
  answered finish within STOP_SECONDS, and returns.
- It serves; it does not run the registry: whoever wires both runs both.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

import pilothouse.apiserver.subresources
from pilothouse.apiserver.aggregation.aggregator import Aggregator
from pilothouse.apiserver.aggregation.tls import FrontProxy
from pilothouse.apiserver.auth.authenticator import Authenticators
from pilothouse.apiserver.auth.authorizer import Authorizer
from pilothouse.apiserver.auth.modes import RBAC, authorizer_of
from pilothouse.apiserver.auth.tokens import ServiceAccountTokens
from pilothouse.apiserver.auth.user import ANONYMOUS, User
from pilothouse.apiserver.chain.audit import audit, audit_refusals
from pilothouse.apiserver.chain.authentication import authenticate
from pilothouse.apiserver.chain.authorization import authorize
from pilothouse.apiserver.chain.compression import compress
from pilothouse.apiserver.chain.failures import answer_failures
from pilothouse.apiserver.chain.flow_control import name_flow
from pilothouse.apiserver.chain.impersonation import impersonate
from pilothouse.apiserver.chain.in_flight import limit
from pilothouse.apiserver.chain.metrics import count
from pilothouse.apiserver.chain.request_info import find_request_info
from pilothouse.apiserver.chain.warnings import add_warnings
from pilothouse.apiserver.discovery.index import Discovery
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.connect import Connect
from pilothouse.apiserver.http.connection import Connections, bound_connections, page
from pilothouse.apiserver.http.context import ApiContext, KubeletClient
from pilothouse.apiserver.http.request import Handler, HttpRequest, Link, Request
from pilothouse.apiserver.http.wire import WireResponse
from pilothouse.apiserver.paths import checks, discovery, health, issuer, metrics, root, version
from pilothouse.apiserver.paths.encryption_metrics import EncryptionCollector
from pilothouse.apiserver.paths.openapi import OpenApi
from pilothouse.apiserver.paths.server_metrics import ServerMetrics
from pilothouse.apiserver.routes import Routes
from pilothouse.apiserver.storage.encryption.storage import EncryptedStorage
from pilothouse.kit import plugins
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy

if TYPE_CHECKING:
    from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.registry.roles import role_feeds
from pilothouse.machinery.digests import SERVER_ID, digest_of

CHAIN: tuple[Link, ...] = (
    count,
    compress,
    add_warnings,
    answer_failures,
    find_request_info,
    audit_refusals,
    authenticate,
    audit,
    limit,
    impersonate,
    name_flow,
    authorize,
)
STOP_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0
LINE_LIMIT_BYTES = 1024 * 1024
"""As Go bounds a head: a command of 100 kB stands in the query of an exec."""
FIELD_LIMIT_BYTES = 64 * 1024
HEADERS_LIMIT = 1000
BACKLOG = 4096
NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python has no name."""
http_log = logging.getLogger(__name__)


def _is_relevant(record: logging.LogRecord) -> bool:
    """Whether a record is about more than a client that speaks no proper HTTP: it has had its 400."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


http_log.addFilter(_is_relevant)


@dataclass(frozen=True, slots=True)
class ServerTLS:
    """Files of the CA that signs client certificates ("" asks for none), of the server's own certificate (with its chain) and key, and of
    the CA of front proxies."""

    ca_file: str
    certificate_file: str
    key_file: str
    front_proxy_ca_file: str = ""


class ApiServer:
    """The API server: HTTP listeners in front of the registry."""

    def __init__(
        self,
        registry: Registry,
        *,
        clock: Clock,
        entropy: Entropy,
        tls: ServerTLS | None = None,
        addresses: Sequence[tuple[str, int]] = (),
        sockets: Sequence[socket.socket] = (),
        authenticators: Authenticators | None = None,
        authorizer: Authorizer | None = None,
        kubelet_client: KubeletClient | None = None,
        kubelet_urls: Mapping[str, str] | None = None,
        default_user: User = ANONYMOUS,
        tokens: ServiceAccountTokens | None = None,
        ready_checks: Mapping[str, Callable[[], str]] | None = None,
        front_proxy: FrontProxy | None = None,
        collectors: Sequence[metrics.Collector] = (),
    ) -> None:
        """
        `addresses` are (host, port), port 0 for any; `sockets` are bound already. Both may be given; without either it listens
        on any port of 127.0.0.1. The keys of `tokens` are published. `default_user` is who a
        request without credentials is from: only tests make it more than anonymous.
        """
        self.started = asyncio.Event()
        self.port = 0
        self._tls = tls
        self._addresses = tuple(addresses)
        self._sockets = tuple(sockets)
        self._stopping = False
        self.connections: Connections
        """Of a server that runs."""
        self._tokens = tokens
        self._ready_checks = dict(ready_checks or {})
        self._more_collectors = tuple(collectors)
        self.api = ApiContext(
            registry=registry,
            authenticators=authenticators or Authenticators(),
            authorizer=authorizer or authorizer_of((RBAC,), role_feeds(registry.store.caches), {}),
            clock=clock,
            entropy=entropy,
            kubelet_client=kubelet_client,
            kubelet_urls={} if kubelet_urls is None else kubelet_urls,
            default_user=default_user,
        )
        self._aggregator = Aggregator(registry, clock, front_proxy)
        self.api.is_extension = self._aggregator.serves
        index = Discovery(registry.catalogue, lambda: f"127.0.0.1:{self.port}", self._aggregator.discovery)
        paths, documents = self._paths(index), discovery.finder(index)
        self._handler = compose(CHAIN, Routes(registry.catalogue, paths, documents, connects(), self._aggregator.handler_of))

    async def run(self) -> None:
        """Serve until cancelled; `started` is set when the server listens. Open requests are ended at the end."""
        server = self.connections = Connections(
            self._handle,
            access_log=None,
            logger=http_log,
            max_line_size=LINE_LIMIT_BYTES,
            max_field_size=FIELD_LIMIT_BYTES,
            max_headers=HEADERS_LIMIT,
            auto_decompress=False,  # as upstream: a body is what it is, and what is proxied passes as it is
        )
        listeners = await self._listen(server)
        try:
            self.started.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._aggregator.run(), name="aggregator")
                await self.api.in_flight.sweep(self.api.clock)
        finally:
            await self._stop(server, listeners)

    async def _listen(self, server: web.Server) -> list[asyncio.Server]:
        loop = asyncio.get_running_loop()
        context = context_of(self._tls) if self._tls is not None else None
        addresses = self._addresses
        if not addresses and not self._sockets:
            addresses = (("127.0.0.1", 0),)
        times: dict[str, Any] = (
            {"ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": STOP_SECONDS} if context is not None else {}
        )
        listeners = [await loop.create_server(server, sock=socket, ssl=context, backlog=BACKLOG, **times) for socket in self._sockets]
        for host, port in addresses:
            listeners.append(await loop.create_server(server, host, port, ssl=context, backlog=BACKLOG, reuse_address=True, **times))
        for listener in listeners:
            for bound_socket in listener.sockets:
                bound_connections(bound_socket)
        self.port = listeners[0].sockets[0].getsockname()[1]
        return listeners

    async def _stop(self, server: web.Server, listeners: Sequence[asyncio.Server]) -> None:
        self._stopping = True
        self.started.clear()
        for listener in listeners:
            listener.close()
        for end in list(self.api.streams):
            end()
        server.pre_shutdown()  # or clients that ask nothing would be waited for as well
        await server.shutdown(STOP_SECONDS)
        await self.api.large_bodies.close()

    async def _handle(self, http: HttpRequest) -> web.StreamResponse:
        expected = http.headers.get("Expect")
        if expected is not None and expected.lower() != "100-continue":
            return page(417, " ")
        response = await self._handler(Request(http, self.api))
        return WireResponse(response) if isinstance(response, Answer) else response

    def _collectors(self) -> list[metrics.Collector]:
        """Who counts what /metrics shows."""
        registry = self.api.registry
        storage = registry.store.storage
        collectors: list[metrics.Collector] = [self.api.metrics, registry.store.metrics, registry.conversions, ServerMetrics(self.api)]
        collectors.append(self.api.impersonation)
        if isinstance(storage, EncryptedStorage):
            collectors.append(EncryptionCollector(storage.encryption.metrics, digest_of(SERVER_ID)))
        return [*collectors, *self._more_collectors]

    def _paths(self, index: Discovery) -> dict[str, Handler]:
        """Everything that is no resource, but for the discovery documents."""
        registry = self.api.registry
        every = checks.checks_of(
            registry,
            self.started.is_set,
            lambda: self._aggregator.is_ready and bool(index.paths()),
            lambda: self._stopping,
            self._ready_checks,
        )
        handlers: dict[str, Handler] = {
            **OpenApi(registry.catalogue, self._aggregator.discovery.openapi, self._aggregator.handler_of).paths(),
            **health.paths(every.healthy, every.live, every.ready),
            **version.paths(),
            **metrics.paths(self._collectors(), self.api.clock),
        }
        if self._tokens is not None:
            handlers |= issuer.paths(self._tokens, lambda: f"127.0.0.1:{self.port}")
        return {**handlers, **root.paths(handlers, index.paths)}


def compose(links: Sequence[Link], last: Handler) -> Handler:
    """The chain as one handler."""
    handler = last
    for link in reversed(links):
        handler = bound(link, handler)
    return handler


def bound(link: Link, next: Handler) -> Handler:
    """A handler that runs `link` with `next` as the rest of the chain."""
    return lambda request: link(request, next)


def connects() -> dict[tuple[str, str], Connect]:
    """The subresources that are connections, by (plural, name)."""
    endpoints = plugins.instances(pilothouse.apiserver.subresources, Connect)
    return {(plural, endpoint.name): endpoint for endpoint in endpoints for plural in endpoint.plurals}


def context_of(tls: ServerTLS) -> ssl.SSLContext:
    """TLS 1.2 or newer; a client certificate is welcome and then must be of the CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    for file in filter(None, (tls.ca_file, tls.front_proxy_ca_file)):
        context.load_verify_locations(file)
        context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= NO_CHECK_TIME  # an expired certificate is answered with 401: auth/x509.py
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # clients of clusters do not resume sessions; making tickets is a third of a handshake
    return context


def new_event_loop() -> Any:
    """uvloop's event loop where it is installed, asyncio's otherwise: for `asyncio.Runner(loop_factory=...)`."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
