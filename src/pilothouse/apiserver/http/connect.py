"""Subresources that are connections rather than objects (log, exec, attach, portforward, proxy).

Each is one file in subresources/ with one module-level `Connect`; it is found because it lies there. Its handler
either returns an `Answer`, or streams by itself (aiohttp's StreamResponse or WebSocketResponse, or the raw transport) and
returns what it has streamed with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pilothouse.api.core.connectoptions import ConnectOptions
from pilothouse.apiserver.http.request import Request, Response


@dataclass(frozen=True)
class Connect:
    """`plurals` are the core resources that have the subresource (`pods`); `name` is its path segment; `methods` are HTTP's.

    `options(request)` is what the connection asks for, as admission sees and may change it; `handle(request, options)` makes it then.
    Without it there is nothing for admission (a log is read), and `handle` is called with the request alone.
    """

    plurals: tuple[str, ...]
    name: str
    handle: Callable[..., Awaitable[Response]]
    methods: tuple[str, ...] = ("GET", "POST")
    options: Callable[[Request], ConnectOptions] | None = None
