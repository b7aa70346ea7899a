"""SPDY clients (kubectl before 1.31): the API server pipes what they say to the kubelet, and understands none of it."""

from __future__ import annotations

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming.kubelets import Kubelet, reach
from pilothouse.client.streaming.duplex import pipe
from pilothouse.client.streaming.hijack import Hijacked
from pilothouse.client.streaming.upgrade import PROTOCOL_HEADER, SPDY, Upgraded, UpgradeRefused


async def relay(request: Request, kubelet: Kubelet, url: str) -> Response:
    """Upgrade to the kubelet first; its refusal is passed to the client unchanged."""
    try:
        upgraded = await reach(request, kubelet, url, request.http.headers.getall(PROTOCOL_HEADER, []))
    except UpgradeRefused as error:
        return Answer(error.status, error.body, error.content_type or "text/plain; charset=utf-8")
    chosen = upgraded.headers.get(PROTOCOL_HEADER.lower())
    headers = [("Connection", "Upgrade"), ("Upgrade", SPDY)]
    return await switch_and_pipe(request, upgraded, [*headers, (PROTOCOL_HEADER, chosen)] if chosen else headers)


SWITCHING_PROTOCOLS = 101


async def switch_and_pipe(request: Request, upgraded: Upgraded, headers: list[tuple[str, str]]) -> Response:
    """Answer 101 with `headers`, then carry bytes until either side ends."""
    client = Hijacked(request.http)
    end = client.feed_eof
    request.api.streams.add(end)
    try:
        if request.http.head_sent is not None:
            request.http.head_sent(SWITCHING_PROTOCOLS)
        client.switch(headers)
        await pipe(client, upgraded.duplex)
    except ConnectionError:
        pass  # the client left before it began: there is nobody to tell
    finally:
        request.api.streams.discard(end)
        await upgraded.duplex.close()
    return client
