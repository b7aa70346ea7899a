"""Compression of large answers: gzip at the fastest level from 128 KiB on, as upstream compresses them."""

from __future__ import annotations

import zlib

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Request

MINIMUM_BYTES = 128 * 1024
LEVEL = 1
GZIP_WINDOW = 31
"""zlib's way to say: a gzip header and the largest window."""
HEADERS = [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]


def is_wanted(request: Request, answer: Answer) -> bool:
    """Whether the client takes gzip, and the answer is not encoded in some way already."""
    return "gzip" in request.header("Accept-Encoding") and not any(name == "Content-Encoding" for name, _ in answer.headers)


def gzipped(body: bytes) -> bytes:
    """The body compressed: 10 MB a tenth of a second."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    return compressor.compress(body) + compressor.flush()


def unzipped(body: bytes) -> bytes:
    """Decompress the result of `gzipped`."""
    return zlib.decompress(body, GZIP_WINDOW)
