"""HTTPS GET for authenticators, limited in time and size, without redirects.

Where it may dial is decided by client/dialing.py. Answers come rarely (keys are kept), so that no connection is.
"""

from __future__ import annotations

import base64
import ssl

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from pilothouse.apiserver.auth.credentials import Fetched, FetchFailed
from pilothouse.apiserver.webhooks import tls
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.client import dialing
from pilothouse.client.neterrors import why
from pilothouse.kit.clock import Clock, SystemClock, wait_for
from pilothouse.kit.offload import in_thread

SECONDS = 30.0
LIMIT_BYTES = 4 * 1024 * 1024


class Fetcher:
    """GET for authenticators."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    async def get(self, url: str, authorities: str = "", bearer: str = "") -> Fetched:
        """The answer of `url`, whose certificate must be of `authorities` (PEM; "" for the machine's own). FetchFailed without one."""
        try:
            return await wait_for(self._clock, self._get(URL(url), authorities, bearer), SECONDS)
        except TimeoutError as error:
            raise FetchFailed(f'Get "{url}": context deadline exceeded') from error
        except (ClientError, OSError) as error:
            raise FetchFailed(f'Get "{url}": {why(error, url)}') from error
        except (dialing.NotAllowed, CallFailed, ValueError) as error:
            raise FetchFailed(f'Get "{url}": {error}') from error

    async def _get(self, url: URL, authorities: str, bearer: str) -> Fetched:
        if url.scheme != "https" or not url.host:
            raise FetchFailed(f'Get "{url}": unsupported protocol scheme "{url.scheme}"')
        address = await dialing.resolve_configured(url.host)
        context = await in_thread(_context, authorities)
        headers = {"Host": url.raw_authority, "Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        connector = TCPConnector(force_close=True)
        async with (
            ClientSession(connector=connector, timeout=ClientTimeout(total=None), cookie_jar=DummyCookieJar()) as session,
            session.get(
                url.with_host(str(address)), headers=headers, ssl=context, server_hostname=url.host, allow_redirects=False
            ) as response,
        ):
            body = bytearray()
            async for block in response.content.iter_any():
                body += block
                if len(body) > LIMIT_BYTES:
                    raise FetchFailed(f'Get "{url}": http: response body is larger than {LIMIT_BYTES} bytes')
            named = {name.lower(): value for name, value in response.headers.items()}
            return Fetched(f"{response.status} {response.reason}", bytes(body), named)


def _context(authorities: str) -> ssl.SSLContext:
    return tls.context_of(base64.b64encode(authorities.encode()).decode())
