"""Compresses large answers for clients that ask for it.

It runs in a thread: half a second of zlib for a large list must not hold up everybody else.
"""

from __future__ import annotations

import asyncio

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.compression import HEADERS, MINIMUM_BYTES, gzipped, is_wanted
from pilothouse.apiserver.http.request import Handler, Request, Response


async def compress(request: Request, next: Handler) -> Response:
    """Compress a large response body with gzip when the client accepts it."""
    response = await next(request)
    if not isinstance(response, Answer) or len(response.body) < MINIMUM_BYTES or not is_wanted(request, response):
        return response
    response.body = await asyncio.to_thread(gzipped, response.body)
    response.headers += HEADERS
    return response
