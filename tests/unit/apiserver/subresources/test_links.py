"""Links of pages that come through a proxy: which are led back through it, and that nothing else of a page changes."""

from __future__ import annotations

import pytest

from pilothouse.apiserver.http.streaming.links import ProxyRoute, rewritten

PREFIX = "/api/v1/namespaces/n/pods/http:web:80/proxy"
WAY = ProxyRoute(PREFIX, "10.0.0.5:80", "localhost:8001")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        pytest.param("/a/b/?c=d#e", f"{PREFIX}/a/b/?c=d#e", id="a path of the backend"),
        pytest.param("/", f"{PREFIX}/", id="its root"),
        pytest.param("a/b", "a/b", id="a relative path"),
        pytest.param("#top", "#top", id="a place in the page"),
        pytest.param("http://10.0.0.5:80/a", f"{PREFIX}/a", id="the backend by its address"),
        pytest.param("http://localhost:8001/a", f"http://localhost:8001{PREFIX}/a", id="the host that the client asked"),
        pytest.param("http://example.com/a", "http://example.com/a", id="elsewhere"),
        pytest.param("//example.com/a", "//example.com/a", id="elsewhere with the same scheme"),
        pytest.param(f"{PREFIX}/a", f"{PREFIX}/a", id="led back already"),
        pytest.param("mailto:a@b", "mailto:a@b", id="no path at all"),
        pytest.param("http://[bad/a", "http://[bad/a", id="no link at all"),
    ],
)
def test_links_to_the_backend_lead_back_through_the_proxy(link: str, expected: str) -> None:
    assert WAY.back(link) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param('<a href="/x">test</a>', '<a href="/P/x">test</a>', id="a link"),
        pytest.param("<A class=b HREF='/x' >", '<A class=b HREF="/P/x" >', id="in capitals and other quotes"),
        pytest.param("<img src=/x alt=/x>", '<img src="/P/x" alt=/x>', id="without quotes, and an attribute that is no link"),
        pytest.param('<a href="/x?a=1&amp;b=2">', '<a href="/P/x?a=1&amp;b=2">', id="with entities"),
        pytest.param('<p href="/x">', '<p href="/x">', id="an element without links"),
        pytest.param('<!-- <a href="/x"> --><a href="/y">', '<!-- <a href="/x"> --><a href="/P/y">', id="not in comments"),
        pytest.param(
            '<script src="/x">"<a href=\'/y\'>"</SCRIPT><a href="/z">',
            '<script src="/P/x">"<a href=\'/y\'>"</SCRIPT><a href="/P/z">',
            id="of a script, but not in it",
        ),
        pytest.param('<a title="1>2" href="/x">', '<a title="1>2" href="/P/x">', id="after a bracket in quotes"),
        pytest.param('1 < 2 <a href="/x"', '1 < 2 <a href="/x"', id="a tag that is cut off"),
        pytest.param('<!-- <a href="/x">', '<!-- <a href="/x">', id="a comment that is cut off"),
        pytest.param('<link href="x"/><br/>', '<link href="x"/><br/>', id="nothing to change"),
    ],
)
def test_a_page_changes_in_its_links_alone(page: str, expected: str) -> None:
    assert rewritten(page, lambda link: f"/P{link}" if link.startswith("/") else link) == expected
