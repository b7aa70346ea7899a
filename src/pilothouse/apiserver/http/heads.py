"""Heads of requests as Go's server takes them, where aiohttp's parser refuses more, or less.

- Any token is a method, and any byte may stand in a path: both are rewritten before they are parsed.
- A Host header of other characters than Go's ValidHostHeader allows is malformed.
- `chunked` alone is a transfer encoding that is known: 501 for every other.
"""

from __future__ import annotations

import re
from typing import Any

METHODS = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT"))
STAND_IN = b"PROPFIND"
"""What the parser reads in place of a method that it does not know."""
LONGEST_METHOD = 256
LINE = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+ [^\s]+ HTTP/1\.[01]")
"""A whole first line: what continues a head that came in parts is not taken for one."""
BAD_HOST = re.compile(r"[^A-Za-z0-9!$%&()*+,\-.:;=\[\]'_~]")
ENCODING = re.compile(rb"(?im)^transfer-encoding:[ \t]*(.*?)[ \t]*\r?$")
MALFORMED = b"400 Bad Request"
MALFORMED_HOST = b"400 Bad Request: malformed Host header"
NOT_IMPLEMENTED = b"501 Not Implemented"
UNSUPPORTED_ENCODING = b"Unsupported transfer encoding"


def readable(data: bytes) -> tuple[bytes, str]:
    """The first bytes of a request as the parser reads them, and the method that it would not have known, or nothing."""
    method = data[: max(data.find(b" ", 0, LONGEST_METHOD), 0)]
    line = data[: data.find(b"\r\n")]
    if (method in METHODS and line.isascii()) or not LINE.fullmatch(line):
        return data, ""
    rest = b"".join(b"%c" % byte if byte < 0x80 else b"%%%02X" % byte for byte in line[len(method) :]) + data[len(line) :]
    return (method + rest, "") if method in METHODS else (STAND_IN + rest, method.decode())


def refusal_of(headers: Any) -> tuple[bytes, bytes] | None:
    """The status line and the text for headers that were parsed but are not to be served."""
    if BAD_HOST.search(headers.get("Host", "")):
        return MALFORMED_HOST, MALFORMED_HOST
    if "Transfer-Encoding" in headers and [text.strip().lower() for text in headers.getall("Transfer-Encoding")] != ["chunked"]:
        return NOT_IMPLEMENTED, UNSUPPORTED_ENCODING
    return None


def refusal_of_bytes(data: bytes) -> tuple[bytes, bytes]:
    """The same for a head that could not be parsed."""
    encodings: list[bytes] = ENCODING.findall(data.partition(b"\r\n\r\n")[0])
    if encodings and [text.lower() for text in encodings] != [b"chunked"]:
        return NOT_IMPLEMENTED, UNSUPPORTED_ENCODING
    return MALFORMED, MALFORMED
