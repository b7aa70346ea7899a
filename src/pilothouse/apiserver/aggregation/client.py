"""Requests of this server to extension API servers: availability, discovery, OpenAPI.

Bounded in time and size. They answer in the machine's own time, also in a cluster whose time is virtual.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import ClientError, ClientResponse

from pilothouse.apiserver.aggregation.backends import Backends
from pilothouse.apiserver.aggregation.extensions import Extension
from pilothouse.apiserver.aggregation.identity import headers_of
from pilothouse.apiserver.auth.user import AUTHENTICATED, MASTERS, User
from pilothouse.apiserver.http.streaming import forward
from pilothouse.apiserver.webhooks.failure import CallFailed
from pilothouse.client.neterrors import why
from pilothouse.kit.clock import SystemClock, wait_for

AGGREGATOR = User("system:kube-aggregator", groups=(MASTERS, AUTHENTICATED))
"""Who asks, as upstream."""
SECONDS = 5.0
LIMIT_BYTES = 64 << 20


class NoAnswer(Exception):
    """An extension API server that did not answer, or not as one does; the text says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """An answer: its code, its body and its media type with parameters."""

    code: int
    body: bytes
    content_type: str = ""


async def ask(backends: Backends, extension: Extension, path: str, accept: str) -> Document:
    """GET of a path. NoAnswer when there is none within SECONDS, or one of more than LIMIT_BYTES."""
    headers = [("Accept", accept), *headers_of(AGGREGATOR)]
    url = f"https://{extension.server_name}:{extension.port}{path}"
    try:
        return await wait_for(SystemClock(), _asked(backends, extension, path, headers), SECONDS)
    except TimeoutError as error:
        raise NoAnswer(f"Get {url}: context deadline exceeded") from error
    except CallFailed as error:
        raise NoAnswer(str(error)) from error
    except (ClientError, OSError) as error:
        raise NoAnswer(f'Get "{url}": {why(error, url)}') from error


async def _asked(backends: Backends, extension: Extension, path: str, headers: list[tuple[str, str]]) -> Document:
    backend, session = await backends.of(extension), await backends.session(extension)
    url = forward.as_is(f"{backend.base}{path}")
    async with session.get(url, headers=headers, allow_redirects=False, server_hostname=backend.server_name) as answer:
        body = await _whole(answer)
        return Document(answer.status, body, answer.headers.get("Content-Type", ""))


async def _whole(answer: ClientResponse) -> bytes:
    read = bytearray()
    async for block in answer.content.iter_any():
        read += block
        if len(read) > LIMIT_BYTES:
            raise NoAnswer(f"an answer of more than {LIMIT_BYTES >> 20} MiB")
    return bytes(read)
