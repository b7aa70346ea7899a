"""Backends: how each extension API server is reached, over connections that are kept.

- A Service is dialled at its ClusterIP, as kube-apiserver does without aggregator routing (webhooks/services.py says what else there is).
- What changes in an APIService's TLS makes another session; the one before ends with its last request.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from pilothouse.api.types.core_v1 import Service
from pilothouse.apiserver.aggregation.extensions import Extension
from pilothouse.apiserver.aggregation.tls import FrontProxy, context_of
from pilothouse.apiserver.http.streaming.forward import Backend
from pilothouse.apiserver.http.streaming.kubelets import DIAL_SECONDS
from pilothouse.apiserver.webhooks import endpoint
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.apiserver.webhooks.services import Address, address_of
from pilothouse.client.client import Client
from pilothouse.machinery.errors import StatusError

CONNECTIONS_LIMIT = 256
"""To one extension API server."""


class Backends:
    """See the module docstring. `local` are the addresses of Services that programs of tests answer for, by namespace and name."""

    def __init__(self, client: Client, front_proxy: FrontProxy | None, local: Mapping[tuple[str, str], Address]) -> None:
        self._client = client
        self._front_proxy = front_proxy
        self._local = local
        self._sessions: dict[tuple[str, str, int], tuple[ssl.SSLContext, ClientSession]] = {}

    async def of(self, extension: Extension) -> Backend:
        """Where it answers; CallFailed in upstream's words when its Service leads nowhere, BadBundle for a caBundle that is none."""
        wanted = endpoint.Service(extension.namespace, extension.service, extension.port)
        host, port = address_of(wanted, await self._service(extension), self._local)
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

    async def _service(self, extension: Extension) -> Service | None:
        try:
            return await self._client.get(Service, extension.service, extension.namespace)
        except StatusError as error:
            if error.reason != "NotFound":
                raise CallFailed(error.status.message, error) from error
            return None
