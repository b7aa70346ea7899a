"""/logs/: a folder as a page, a file as it is, nothing outside of the folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from pilothouse.kubelet.server.system_logs import inside, system_logs

PAGE = '<a href="a%20%26%20b.log">a &amp; b.log</a>\n<a href="out">out</a>\n<a href="pods/">pods/</a>\n'


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[str]:
    logs = tmp_path / "log"
    (logs / "pods").mkdir(parents=True)
    (logs / "a & b.log").write_text("one\ntwo\n")
    (tmp_path / "secret").write_text("no")
    (logs / "out").symlink_to(tmp_path / "secret")

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await system_logs(request, tuple(part for part in request.path.split("/")[2:] if part), logs)

    async with RawTestServer(handle) as server:
        yield str(server.make_url("/logs"))


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        pytest.param(
            "/", 200, '<a href="a%20%26%20b.log">a &amp; b.log</a>\n<a href="out">out</a>\n<a href="pods/">pods/</a>\n', id="a folder"
        ),
        pytest.param("/a%20&%20b.log", 200, "one\ntwo\n", id="a file"),
        pytest.param("/pods/", 200, "<pre>\n</pre>", id="an empty folder"),
        pytest.param("/nothing", 404, "404 page not found\n", id="what is not there"),
        pytest.param("/out", 404, "404 page not found\n", id="a link that leads out"),
    ],
)
async def test_what_is_shown(base: str, path: str, status: int, text: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(base + path) as answer:
        assert (answer.status, text in await answer.text()) == (status, True)


async def test_a_folder_without_its_slash_leads_to_the_one_with_it(base: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{base}/pods", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, "pods/")


@pytest.mark.parametrize("parts", [("..", "secret"), ("pods", "..", "..", "secret"), ("a\0b",), ("pods/../../secret",)])
def test_no_path_leads_out(tmp_path: Path, parts: tuple[str, ...]) -> None:
    (tmp_path / "log" / "pods").mkdir(parents=True)
    (tmp_path / "secret").write_text("no")
    assert inside(tmp_path / "log", parts) is None
    assert inside(tmp_path / "log", ("pods", "..", "pods")) == tmp_path / "log" / "pods"
