"""Calls over HTTPS.

- Authenticates by a client certificate or by a bearer token; both are read again when their file changes, without a restart. While a
  file cannot be used (it is being replaced, say), what was read before serves on.
- A failure that the server answered is a StatusError; a server that cannot be reached is a ConnectionError.
- A server that says when to come back (Retry-After with 429 or 5xx) is asked again then, up to ten times; a read whose connection
  was lost in the midst is repeated, a write never: nobody knows whether it was done.
- A watch is a stream of JSON lines; closing the iterator (or cancelling its task) closes the connection. One that stays silent for
  longer than bookmarks take is given up, for its server may be gone without a word.
- One pool of kept connections, without a limit of its own: callers limit by their workers how many calls are under way at a time. Calls
  beyond the first few wait a moment for a connection that is there already, before they open one.

aiohttp is imported by the first call: importing it costs a third of a second.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import MsgspecError

from pilothouse.client import answers
from pilothouse.client.call import Call, WatchEvent
from pilothouse.client.paths import IN_DELETE_OPTIONS, METHODS, delete_options, path_of, query_of
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import codec, strconv

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

CREDENTIALS_CHECK_SECONDS = 60.0
"""How long a token or certificate that was read is used before its file is looked at again (client-go: one minute)."""
CALL_TIMEOUT_SECONDS = 60.0
WATCH_TIMEOUT_SECONDS = 300.0
"""A watch without a timeout of its own asks for this much, up to twice, so that watches do not all end together."""
SILENCE_SECONDS = 180.0
"""A watch that asked for bookmarks, which come each minute, hears nothing for this long only from a server that is no more."""
KEEP_ALIVE_SECONDS = 30.0
IDLE_SECONDS = 90.0
"""How long a connection is kept that nobody uses (Go's transport: 90 s): a new one costs both sides a handshake of TLS."""
PROBE_SECONDS, PROBES = 15, 3
"""Silent connections are probed after KEEP_ALIVE_SECONDS, so that a machine that vanished is noticed within 75 s."""
CROWD, CROWD_SECONDS = 8, 2.0
"""So many calls begin at once; what comes beyond waits this long for one of them to end."""
RETRIES_LIMIT = 10
LOST_READ_SECONDS = 1.0
"""Before a read is repeated (client-go's rest/with_retry)."""
LONGEST_RETRY_AFTER_SECONDS = 60.0
EVENT_BYTES_LIMIT = 16 << 20
"""The longest line of a watch; objects are limited to a few MB by the server."""


class HttpTransport:
    """Transport to an API server over HTTPS, with a pool of connections. `close()` it at the end."""

    page_size = 500
    """Lists come in pages of this many, so that neither side holds a large list as one body."""

    def __init__(
        self,
        server_url: str,
        *,
        ca_file: str = "",
        certificate_file: str = "",
        key_file: str = "",
        token: str = "",
        token_file: str = "",
        server_name: str = "",
        user_agent: str = "pilothouse",
        clock: Clock,
        entropy: Entropy | None = None,
    ) -> None:
        self.server_url = server_url.rstrip("/")
        self._ca_file = ca_file
        self._certificate_file = certificate_file
        self._key_file = key_file
        self._token = token
        self._token_file = token_file
        self._server_name = server_name
        self._user_agent = user_agent
        self._clock = clock
        self._entropy = entropy or Entropy()
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(CROWD)
        self._checked = float("-inf")
        self._stamps: tuple[float, ...] = ()

    async def call(self, call: Call) -> Any:
        """Send one call and decode the answer. StatusError for an error answer, ConnectionError without one."""
        status, data = await self._persistently(call)
        if status >= 400:
            raise answers.error_of(status, data)
        try:
            if call.verb in ("list", "deletecollection"):
                return answers.decode_list(data, call.resource)
            return answers.decode_object(data, call.resource)
        except MsgspecError as error:
            raise _not_understood(self.server_url, error) from error

    async def _persistently(self, call: Call) -> tuple[int, bytes]:
        """The answer; where the server, or a lost connection, calls for another try, that one's."""
        for _ in range(RETRIES_LIMIT):
            try:
                status, data, after = await self._exchange(call)
            except ConnectionResetError:
                if call.verb not in ("get", "list"):
                    raise
                after = LOST_READ_SECONDS
            else:
                if after is None:
                    return status, data
            await self._clock.sleep(min(after, LONGEST_RETRY_AFTER_SECONDS))
        status, data, _ = await self._exchange(call)
        return status, data

    async def watch(self, call: Call) -> AsyncIterator[WatchEvent[Any]]:
        """Yield the events of a watch until the server ends it. StatusError when it is refused."""
        if call.options.timeout_seconds is None:
            call.options.timeout_seconds = self._entropy.jitter(WATCH_TIMEOUT_SECONDS, 1.0)
        session = await self._ready()
        import aiohttp

        timeout = aiohttp.ClientTimeout(
            total=call.options.timeout_seconds + KEEP_ALIVE_SECONDS,
            sock_connect=KEEP_ALIVE_SECONDS,
            sock_read=SILENCE_SECONDS if call.options.allow_watch_bookmarks else None,
        )
        try:
            async with session.get(self._url(call), headers=self.headers(), timeout=timeout, **self._tls()) as response:
                if response.status >= 400:
                    raise answers.error_of(response.status, await response.read())
                async for line in _lines(response.content):
                    yield answers.decode_event(line, call.resource)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(self.server_url, error) from error
        except MsgspecError as error:
            raise _not_understood(self.server_url, error) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(self, call: Call) -> tuple[int, bytes, float | None]:
        """Status, body, and the seconds after which the server wants to be asked again, where it says so."""
        session = await self._ready()
        async with self._turn():
            return await self._exchange_now(session, call)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Where many calls are under way, wait a moment for one of their connections: another costs both sides a handshake of TLS."""
        try:
            await wait_for(self._clock, self._turns.acquire(), CROWD_SECONDS)
        except TimeoutError:  # those before are slow, and must hold nobody up
            yield
            return
        try:
            yield
        finally:
            self._turns.release()

    async def _exchange_now(self, session: aiohttp.ClientSession, call: Call) -> tuple[int, bytes, float | None]:
        import aiohttp

        body, content_type = _body(call)
        headers = self.headers() | ({"Content-Type": content_type} if body is not None else {})
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_SECONDS)
        try:
            async with session.request(
                METHODS[call.verb], self._url(call), data=body, headers=headers, timeout=timeout, **self._tls()
            ) as response:
                return response.status, await response.read(), _retry_after(response.status, response.headers.get("Retry-After", ""))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(self.server_url, error) from error

    async def _ready(self) -> aiohttp.ClientSession:
        """The session; a new one when a certificate has changed since it was read (its watches end then, and are resumed)."""
        now, old = self._clock.monotonic(), self._session
        if old is not None and now - self._checked < CREDENTIALS_CHECK_SECONDS:
            return old
        self._checked = now
        try:
            self._session = self._with_credentials()
        except OSError as error:
            if old is None:
                raise ConnectionError(f"{self.server_url}: the credentials cannot be used: {error}") from error
            log.warning("the credentials cannot be used: those of before serve on", extra={"error": str(error)})
            return old
        if old is not None and old is not self._session:
            await old.close()
        return self._session

    def _with_credentials(self) -> aiohttp.ClientSession:
        """A session with what the files say now: the present one where only the token may have changed."""
        if self._token_file:
            self._token = Path(self._token_file).read_text(encoding="utf-8").strip()
        stamps = tuple(os.stat(file).st_mtime for file in (self._certificate_file, self._key_file, self._ca_file) if file)
        if self._session is not None and stamps == self._stamps:
            return self._session
        session = self._open()
        self._stamps = stamps
        return session

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        tls = self._context() if self.server_url.startswith("https:") else False
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=0, ssl=tls, keepalive_timeout=IDLE_SECONDS, socket_factory=_probed_socket)
        return aiohttp.ClientSession(connector=connector, read_bufsize=1 << 18, auto_decompress=True)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._ca_file or None)
        if self._certificate_file:
            context.load_cert_chain(self._certificate_file, self._key_file or None)
        return context

    def headers(self) -> dict[str, str]:
        """Headers of every request, with the credentials as last read."""
        headers = {"Accept": "application/json", "User-Agent": self._user_agent}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _tls(self) -> dict[str, Any]:
        return {"server_hostname": self._server_name} if self._server_name else {}

    def _url(self, call: Call) -> Any:
        import yarl

        query = query_of(call)
        return yarl.URL(f"{self.server_url}{path_of(call)}{'?' if query else ''}{query}", encoded=True)


def _body(call: Call) -> tuple[bytes | None, str]:
    """What is sent, and its content type."""
    if call.verb == "patch":
        return call.body, call.patch_type
    if call.verb in IN_DELETE_OPTIONS:
        return codec.encode(delete_options(call.options)), "application/json"
    return (None if call.body is None else codec.encode(call.body)), "application/json"


async def _lines(content: Any) -> AsyncIterator[bytes]:
    """The lines of a stream, however it is cut into chunks."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        for line in whole:
            if line:
                yield line
        if len(rest) > EVENT_BYTES_LIMIT:
            raise ConnectionError(f"a watch event of more than {EVENT_BYTES_LIMIT} bytes")


def _retry_after(status: int, text: str) -> float | None:
    """Whole seconds, as API servers say it; the form with a date is for browsers."""
    return strconv.unsigned(text) if status == 429 or status >= 500 else None


def _probed_socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol = address[:3]
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, int(KEEP_ALIVE_SECONDS)),
        (socket.TCP_KEEPINTVL, PROBE_SECONDS),
        (socket.TCP_KEEPCNT, PROBES),
    ):
        made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


def _unreachable(server_url: str, error: Exception) -> ConnectionError:
    """As ConnectionResetError where a connection that stood was lost, so that a read may be repeated."""
    import aiohttp

    text = str(error) or type(error).__name__
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        text = "timed out"
    lost = (ConnectionResetError, BrokenPipeError, aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError)
    reset = isinstance(error, lost) or (isinstance(error, OSError) and error.errno in (errno.ECONNRESET, errno.EPIPE))
    return (ConnectionResetError if reset else ConnectionError)(f"{server_url}: {text}")


def _not_understood(server_url: str, error: Exception) -> ConnectionError:
    return ConnectionError(f"{server_url}: the answer is none of a Kubernetes API: {error}")
