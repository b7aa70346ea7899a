"""Compresses large answers for clients that ask for it, as upstream does from 128 KiB on, at the fastest level.

It runs in a thread: half a second of zlib for a large list must not hold up everybody else.
"""

from __future__ import annotations

import asyncio
import zlib

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Handler, Request, Response

MINIMUM_BYTES = 128 * 1024
LEVEL = 1
GZIP_WINDOW = 31
"""zlib's way to say: a gzip header and the largest window."""


async def compress(request: Request, next: Handler) -> Response:
    response = await next(request)
    if not isinstance(response, Answer) or len(response.body) < MINIMUM_BYTES:
        return response
    if "gzip" not in request.header("Accept-Encoding") or any(name == "Content-Encoding" for name, _ in response.headers):
        return response
    response.body = await asyncio.to_thread(gzipped, response.body)
    response.headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    return response


def gzipped(body: bytes) -> bytes:
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    return compressor.compress(body) + compressor.flush()
