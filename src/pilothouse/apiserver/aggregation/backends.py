"""Backends: how each extension API server is reached, over connections that are kept.

- A Service is dialled at its ClusterIP, as kube-apiserver does without aggregator routing (webhooks/services.py says what else there is).
- What changes in an APIService's TLS makes another session; the one before ends with its last request.
"""

from __future__ import annotations

import ssl

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from pilothouse.apiserver.aggregation.extensions import Extension
from pilothouse.apiserver.aggregation.tls import FrontProxy, context_of
from pilothouse.apiserver.http.streaming.forward import Backend
from pilothouse.apiserver.http.streaming.kubelets import DIAL_SECONDS
from pilothouse.apiserver.webhooks.client import Resolve
from pilothouse.apiserver.webhooks.endpoint import Service

CONNECTIONS_LIMIT = 256
"""To one extension API server."""


class Backends:
    """See the module docstring. `resolve` says which address is dialled for a Service."""

    def __init__(self, resolve: Resolve, front_proxy: FrontProxy | None) -> None:
        self._resolve = resolve
        self._front_proxy = front_proxy
        self._sessions: dict[tuple[str, str, int], tuple[ssl.SSLContext, ClientSession]] = {}

    async def of(self, extension: Extension) -> Backend:
        """Where it answers; CallFailed in upstream's words when its Service leads nowhere, and for a caBundle that is none."""
        host, port = await self._resolve(Service(extension.namespace, extension.service, extension.port))
        return Backend("https", host, port, self._context(extension), extension.server_name)

    async def session(self, extension: Extension) -> ClientSession:
        """The session of its connections."""
        key, context = (extension.namespace, extension.service, extension.port), self._context(extension)
        known = self._sessions.get(key)
        if known is not None and known[0] is context and not known[1].closed:
            return known[1]
        connector = TCPConnector(ssl=context, limit=CONNECTIONS_LIMIT)
        made = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, sock_connect=DIAL_SECONDS),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )
        self._sessions[key] = (context, made)
        if known is not None:
            await known[1].close()
        return made

    async def close(self) -> None:
        """End all connections."""
        for _, session in self._sessions.values():
            await session.close()

    def _context(self, extension: Extension) -> ssl.SSLContext:
        return context_of(extension.ca_bundle, insecure=extension.insecure, front_proxy=self._front_proxy)
