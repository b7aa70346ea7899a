"""Requests as raw bytes, from a grammar of odd ones: never a failure of the server's own, and it answers the next request."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.apiserver.auth.user import ADMIN
from tests.unit.apiserver.serving import serving

REQUESTS_AT_ONCE = 24
EXAMPLES = 150 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 10
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"BREW", b"get", b""])
ODD = st.sampled_from(
    [b"..", b".", b"%2e%2e", b"%00", b"%ff", b"%zz", b"%", b"//", b"\xff", b"\x01", b"a" * 300, b"\xd9\xa1", b"a:b:c", b"*"]
)
SEGMENTS = st.one_of(st.sampled_from([b"default", b"x", b"status", b"scale", b"log", b"proxy", b"exec", b"watch"]), ODD)
ROOTS = [
    b"/api/v1/configmaps",
    b"/api/v1/namespaces/default/pods",
    b"/apis/apps/v1/namespaces/a/deployments",
    b"/api",
    b"/apis",
    b"/",
]
PATHS = st.builds(lambda root, rest: b"/".join([root, *rest]), st.sampled_from(ROOTS), st.lists(SEGMENTS, max_size=4))
NUMBERS = st.sampled_from([b"1", b"-1", b"+1", b"x", b"", b"1_0", b"%D9%A1", b"9" * 30, b"0x1", b"1.0", b"1e3", b"%20", b"true", b"false"])
NAMES = st.sampled_from([
    *(b"limit", b"continue", b"resourceVersion", b"resourceVersionMatch"),
    *(b"timeoutSeconds", b"timeout", b"labelSelector", b"fieldSelector"),
    *(b"dryRun", b"fieldManager", b"fieldValidation", b"force", b"gracePeriodSeconds", b"propagationPolicy", b"pretty", b"a;b", b"%", b""),
])  # fmt: skip
SELECTORS = st.text("ab=!<>(),in \\%\0\u0661", max_size=8).map(lambda text: text.encode().replace(b" ", b"+"))
QUERIES = st.lists(st.builds(lambda name, value: name + b"=" + value, NAMES, NUMBERS | SELECTORS), max_size=3).map(b"&".join)
HEADERS = st.sampled_from([
    *(b"Accept: application/json;q=x", b"Accept: ;;,,"),
    *(b"Accept: application/json;as=Table;v=v1;g=meta.k8s.io", b"Accept: application/yaml"),
    *(b"Content-Length: -1", b"Content-Length: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: junk", b"Expect: 100-continue"),
    *(b"Expect: junk", b"Upgrade: websocket\r\nConnection: Upgrade", b"Upgrade: junk\r\nConnection: Upgrade"),
    *(b"X: \xff", b"X: a\x00b", b"junk"),
    *(b"Impersonate-Group: a", b"Impersonate-Extra-%zz: a", b"Authorization: Bearer x", b"Authorization: Bearer  x", b"Host: a b"),
    *(b"User-Agent: \xd9\xa1", b"User-Agent: " + b"a" * 5000, b"Accept-Encoding: gzip;q=nan", b"Sec-WebSocket-Key: x"),
])  # fmt: skip
CONTENT_TYPES = st.sampled_from([
    *(b"application/json", b"application/yaml", b"application/vnd.kubernetes.protobuf", b"application/merge-patch+json", b"junk"),
    *(b"application/json-patch+json", b"application/strategic-merge-patch+json", b"application/apply-patch+yaml", b""),
])  # fmt: skip
VALUES = st.sampled_from([
    *(b"null", b"{}", b"[]", b"5", b"-1", b"1e999", b'"x"', b'"\xd9\xa1"', b'"\\ud800"', b"NaN", b'"\xff"', b"9" * 5000, b"true", b'""'),
])  # fmt: skip
FIELDS = st.sampled_from(
    [b"metadata", b"name", b"data", b"spec", b"containers", b"replicas", b"kind", b"apiVersion", b"labels", b"finalizers"]
)
DOCUMENTS = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(st.tuples(FIELDS, inner), max_size=3).map(lambda pairs: b"{" + b",".join(b'"%b":%b' % pair for pair in pairs) + b"}"),
        st.lists(inner, max_size=2).map(lambda items: b"[" + b",".join(items) + b"]"),
    ),
    max_leaves=6,
)
BODIES = st.one_of(DOCUMENTS, st.binary(max_size=20), st.binary(max_size=20).map(lambda data: b"k8s\0" + data), st.just(b"[" * 3000))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body, query = draw(BODIES), draw(QUERIES)
    target = draw(PATHS) + (b"?" + query if query else b"")
    lines = [draw(METHODS) + b" " + target + b" " + draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"x"]))]
    lines += [b"Host: x", b"Content-Type: " + draw(CONTENT_TYPES), *draw(st.lists(HEADERS, max_size=2))]
    if draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def answered(port: int, data: bytes) -> bytes:
    """All that is answered to these bytes, after which the client says no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = b""
    try:
        writer.write(data)
        writer.write_eof()
        while block := await reader.read(65536):
            found += block
    except ConnectionError:
        pass  # cut off: it need not be spoken to
    finally:
        writer.close()
    return found


async def answers(port: int, data: bytes) -> list[int]:
    """The codes of it."""
    parts = (await answered(port, data)).split(b"HTTP/1.1 ")[1:]
    return [int(part[:3]) for part in parts if part[:3].isdigit()]


async def all_answers(folder: Path, tried: list[bytes]) -> list[list[int]]:
    async with serving(folder, user=ADMIN) as served:
        found = [await answers(served.server.port, data) for data in tried]
        health = await answers(served.server.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert health == [200]
        return found


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(tried=st.lists(requests(), min_size=REQUESTS_AT_ONCE, max_size=REQUESTS_AT_ONCE))
def test_fuzz_no_request_is_a_failure_of_the_server(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture, tried: list[bytes]
) -> None:
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        found = asyncio.run(all_answers(tmp_path_factory.mktemp("fuzz"), tried))
    panics = [record.getMessage() for record in caplog.records if "panic" in record.getMessage()]
    assert not panics
    wrong = [
        (data, codes)
        for data, codes in zip(tried, found, strict=True)
        if any(code in (500, 502, 504) for code in codes) and not upstreams(data)
    ]
    assert not wrong


def upstreams(data: bytes) -> bool:
    """Whether upstream answers with 500 as well: an unreadable version of a watch or a get, and of an object to be created."""
    return b"resourceVersion" in data or b"HTTP/2.0" in data
