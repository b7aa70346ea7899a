from __future__ import annotations

import pytest

from pilothouse.cmd.envtest import etcd


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--listen-client-urls=http://127.0.0.1:1"], ["http://127.0.0.1:1"], id="with an equals sign"),
        pytest.param(["--data-dir", "d", "--listen-client-urls", "http://a:1,http://b:2"], ["http://a:1", "http://b:2"], id="several"),
        pytest.param([], ["http://localhost:2379"], id="etcd's default"),
    ],
)
def test_it_listens_where_it_is_told_to(arguments: list[str], expected: list[str]) -> None:
    assert etcd.client_urls(arguments) == expected


@pytest.mark.parametrize(
    ("line", "status", "body"),
    [
        pytest.param("GET /health HTTP/1.1", b"200 OK", b'{"health":"true","reason":""}', id="health"),
        pytest.param("GET /health?serializable=true HTTP/1.1", b"200 OK", b'{"health":"true","reason":""}', id="a query"),
        pytest.param("GET /v3/kv/range HTTP/1.1", b"404 Not Found", b"404 page not found\n", id="nothing else"),
        pytest.param("nonsense", b"404 Not Found", b"404 page not found\n", id="no request"),
    ],
)
def test_it_answers_health_and_nothing_else(line: str, status: bytes, body: bytes) -> None:
    head, _, content = etcd.answer(line).partition(b"\r\n\r\n")
    assert (head.split(b"\r\n")[0], content) == (b"HTTP/1.1 " + status, body)
