"""What passes through the proxy subresource: every method, the headers that a backend sees, pages and redirects."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from pilothouse.apiserver.http.streaming import forward
from tests.unit.apiserver.subresources.streaming_house import house

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PAGE = b'<a href="/there">\xe4</a>'


def packed(coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(PAGE)
    return zlib.compress(PAGE, wbits=-zlib.MAX_WBITS) if coding == "deflate" else PAGE


async def backend(request: web.BaseRequest) -> web.StreamResponse:
    match request.path:
        case "/page":
            coding = request.query.get("coding", "")
            headers = {"Content-Type": "text/html; charset=latin-1"} | ({"Content-Encoding": coding} if coding else {})
            return web.Response(body=packed(coding), headers=headers)
        case "/moved":
            return web.Response(status=302, headers={"Location": "/there", "Content-Type": "text/html"}, body=PAGE)
    return web.json_response({"method": request.method, "path": request.path_qs, **request.headers})


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A client, and the proxy's path to the backend."""
    runner = web.ServerRunner(web.Server(backend))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with house(tmp_path) as one, aiohttp.ClientSession(one.served.url, auto_decompress=False) as session:
        yield session, f"/api/v1/nodes/n1:{port}/proxy"
    await runner.cleanup()


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_passes(proxy: tuple[aiohttp.ClientSession, str], method: str) -> None:
    session, path = proxy
    async with session.request(method, f"{path}/some/path?a=b") as answer:
        body = await answer.read()
    assert answer.status == 200
    if method != "HEAD":
        assert (json.loads(body)["method"], json.loads(body)["path"]) == (method, "/some/path?a=b")


async def test_head_of_an_object_is_not_allowed(proxy: tuple[aiohttp.ClientSession, str]) -> None:
    async with proxy[0].head("/api/v1/nodes/n1") as answer:
        assert answer.status == 405


async def test_the_backend_sees_what_the_client_asked(proxy: tuple[aiohttp.ClientSession, str]) -> None:
    session, path = proxy
    async with session.get(f"{path}/a/", headers={"Host": "board.example"}) as answer:
        seen = await answer.json()
    assert (seen["Host"], seen["X-Forwarded-Uri"], seen["X-Forwarded-For"]) == ("board.example", f"{path}/a/", "127.0.0.1")


@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
async def test_links_of_a_page_lead_back(proxy: tuple[aiohttp.ClientSession, str], coding: str) -> None:
    session, path = proxy
    async with session.get(f"{path}/page", params={"coding": coding}) as answer:
        body = await answer.read()
    page = {"gzip": gzip.decompress, "deflate": lambda it: zlib.decompress(it, -zlib.MAX_WBITS)}.get(coding, bytes)(body)
    assert page == PAGE.replace(b"/there", f"{path}/there".encode())


async def test_a_page_of_an_unknown_coding_stays(proxy: tuple[aiohttp.ClientSession, str]) -> None:
    async with proxy[0].get(f"{proxy[1]}/page?coding=br") as answer:
        assert await answer.read() == PAGE


async def test_a_page_that_is_too_long_stays(proxy: tuple[aiohttp.ClientSession, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "PAGE_LIMIT", 0)
    async with proxy[0].get(f"{proxy[1]}/page") as answer:
        assert await answer.read() == PAGE


async def test_a_redirect_leads_back(proxy: tuple[aiohttp.ClientSession, str]) -> None:
    session, path = proxy
    async with session.get(f"{path}/moved", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"], await answer.read()) == (302, f"{path}/there", PAGE)
