"""First bytes of requests as they are parsed."""

from __future__ import annotations

import pytest

from pilothouse.apiserver.http.heads import readable, refusal_of_bytes


@pytest.mark.parametrize(
    ("data", "parsed", "method"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", ""),
        (b"BREW / HTTP/1.1\r\n\r\n", b"PROPFIND / HTTP/1.1\r\n\r\n", "BREW"),
        (b"BREW /\xff HTTP/1.0\r\nX: \xff\r\n", b"PROPFIND /%FF HTTP/1.0\r\nX: \xff\r\n", "BREW"),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n\xff", b"GET /%C3%A9 HTTP/1.1\r\n\r\n\xff", ""),
        (b"some value\r\nX: y\r\n\r\n", b"some value\r\nX: y\r\n\r\n", ""),
        (b"a\xff b\r\n\r\n", b"a\xff b\r\n\r\n", ""),
        (b"GE(T / HTTP/1.1\r\n\r\n", b"GE(T / HTTP/1.1\r\n\r\n", ""),
        (b"BREW / HT", b"BREW / HT", ""),
        (b"", b"", ""),
    ],
)
def test_methods_and_paths_that_the_parser_does_not_know(data: bytes, parsed: bytes, method: str) -> None:
    assert readable(data) == (parsed, method)


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: junk\r\n\r\n", b"501 Not Implemented"),
        (b"GET / HTTP/1.1\r\ntransfer-encoding: Chunked\r\nX : y\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\nX : y\r\n\r\nTransfer-Encoding: junk\r\n", b"400 Bad Request"),
    ],
)
def test_heads_that_cannot_be_parsed(head: bytes, line: bytes) -> None:
    assert refusal_of_bytes(head)[0] == line
