"""What is said of pods, services and kubelets that cannot be reached: the words that upstream's clients know."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from pilothouse.apiserver.http.streaming.kubelets import why
from tests.unit.apiserver.subresources.streaming_house import house


def handshake_failed(reason: str) -> ssl.SSLError:
    error = ssl.SSLError()
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(ConnectionRefusedError(111, "x"), "dial tcp 10.0.0.1:80: connect: connection refused", id="nobody listens"),
        pytest.param(OSError(113, "x"), "dial tcp 10.0.0.1:80: connect: no route to host", id="no route"),
        pytest.param(TimeoutError(), "dial tcp 10.0.0.1:80: i/o timeout", id="no answer"),
        pytest.param(aiohttp.ServerDisconnectedError(), "EOF", id="closed without an answer"),
        pytest.param(
            handshake_failed("WRONG_VERSION_NUMBER"), "http: server gave HTTP response to HTTPS client", id="plain HTTP behind https"
        ),
        pytest.param(handshake_failed("TLSV1_ALERT_ACCESS_DENIED"), "remote error: tls: access denied", id="another handshake"),
        pytest.param(ValueError(), "ValueError", id="one without words"),
    ],
)
def test_the_reason_is_told_in_upstreams_words(error: Exception, expected: str) -> None:
    assert why(error, "http://10.0.0.1:80/a?b") == expected


async def test_a_backend_that_refuses_is_told_through_the_proxy(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        async with (
            house(tmp_path) as one,
            aiohttp.ClientSession() as web,
            web.get(f"{one.served.url}/api/v1/nodes/n1:{port}/proxy/a") as answer,
        ):
            status = await answer.json()
    text = f"error trying to reach service: dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert (answer.status, status["reason"], status["message"]) == (503, "ServiceUnavailable", text)
