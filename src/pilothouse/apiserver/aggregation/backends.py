"""Backends: how each extension API server is reached, over connections that are kept.

- A Service is dialled at its ClusterIP, as kube-apiserver does without aggregator routing (webhooks/services.py says what else there is).
- What changes in an APIService's TLS makes another session; the last SESSIONS_KEPT are kept, so that APIServices of one Service that
  believe different authorities do not end each other's requests.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from pilothouse.apiserver.aggregation.extensions import Extension
from pilothouse.apiserver.aggregation.tls import FrontProxy, context_of
from pilothouse.apiserver.http.streaming.forward import OF_THE_CLIENT, Backend
from pilothouse.apiserver.http.streaming.kubelets import DIAL_SECONDS
from pilothouse.apiserver.webhooks.client import Resolve
from pilothouse.apiserver.webhooks.endpoint import Service

SESSIONS_KEPT = 64
CONNECTIONS_LIMIT = 256
"""To one extension API server."""


class Backends:
    """Connections to extension API servers. `resolve` says which address is dialled for a Service."""

    def __init__(self, resolve: Resolve, front_proxy: FrontProxy | None) -> None:
        self._resolve = resolve
        self._front_proxy = front_proxy
        self._sessions: OrderedDict[tuple[str, str, int, ssl.SSLContext], ClientSession] = OrderedDict()

    async def of(self, extension: Extension) -> Backend:
        """Endpoint of an extension API server. Raises CallFailed with upstream's message for an unusable Service or caBundle."""
        host, port = await self._resolve(Service(extension.namespace, extension.service, extension.port))
        return Backend("https", host, port, self._context(extension), extension.server_name)

    async def session(self, extension: Extension) -> ClientSession:
        """The session of its connections."""
        context = self._context(extension)
        key = (extension.namespace, extension.service, extension.port, context)
        if key in self._sessions:
            self._sessions.move_to_end(key)
            return self._sessions[key]
        connector = TCPConnector(ssl=context, limit=CONNECTIONS_LIMIT)
        made = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, sock_connect=DIAL_SECONDS),
            auto_decompress=False,
            skip_auto_headers=OF_THE_CLIENT,
        )
        self._sessions[key] = made
        if len(self._sessions) > SESSIONS_KEPT:
            await self._sessions.popitem(last=False)[1].close()
        return made

    async def close(self) -> None:
        """End all connections."""
        for session in self._sessions.values():
            await session.close()

    def _context(self, extension: Extension) -> ssl.SSLContext:
        return context_of(extension.ca_bundle, insecure=extension.insecure, front_proxy=self._front_proxy)
