"""pods/log: passes the kubelet's response on, as a body or as WebSocket messages."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web

from pilothouse.api.types.core_v1 import Pod
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.connect import Connect
from pilothouse.apiserver.http.negotiation import ANSWER_ONLY, SERVED, check_route, negotiate
from pilothouse.apiserver.http.options import integer
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming import sockets
from pilothouse.apiserver.http.streaming.kubelets import DIAL_SECONDS, container_of, dialing_failed, flag, kubelet_of, pod_of
from pilothouse.machinery import errors, time
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.problems import Problems

PLAIN = "text/plain"
NUMBERS = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}
FLAGS = ("follow", "previous", "timestamps")
ERROR_LIMIT_BYTES = 64 * 1024
BASE64 = "base64.binary.k8s.io"
PROTOCOLS = ("", "binary.k8s.io", BASE64)
"""Of a WebSocket that carries bytes one way."""
MESSAGE_BYTES = 32 * 1024


async def log(request: Request) -> Response:
    """Stream a container's log from the kubelet. A pod without a node has an empty log."""
    if request.info.verb != "get":
        raise errors.failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    check_route(request.header("Accept"), served=(PLAIN, *SERVED))
    negotiate(request.header("Accept"), ANSWER_ONLY)
    pod = await pod_of(request)
    query = options_of(request, pod)
    container = container_of(pod, request.parameter("container"))
    protocol = protocol_of(request)
    if not pod.spec.nodeName:
        return Answer(204, content_type="")
    kubelet = await kubelet_of(request, pod)
    url = kubelet.url("containerLogs", pod.metadata.namespace, pod.metadata.name, container, query=query)
    connector = TCPConnector(ssl=kubelet.tls or False)
    async with ClientSession(
        connector=connector, timeout=ClientTimeout(total=None, sock_connect=DIAL_SECONDS), auto_decompress=False
    ) as session:
        try:
            answer = await session.get(url)
        except (ClientError, OSError) as error:
            raise dialing_failed(error, url) from error
        if answer.status != 200:
            raise refusal(request, answer.status, (await answer.content.read(ERROR_LIMIT_BYTES)).decode(errors="replace"))
        if protocol is None:
            return await passed_on(request, answer)
        return await as_messages(request, answer, protocol)


def protocol_of(request: Request) -> str | None:
    """The subprotocol of a WebSocket client, "" when it offers none; None for others. 403 when it offers only unknown ones."""
    if not sockets.is_websocket(request):
        return None
    offered = sockets.offered(request)
    known = [protocol for protocol in offered if protocol in PROTOCOLS]
    if offered and not known:
        text = f"requested protocol(s) are not supported: [{' '.join(offered)}]; supports [{' '.join(PROTOCOLS)}]"
        raise errors.failure(403, "Forbidden", text)
    return known[0] if known else ""


def options_of(request: Request, pod: Pod) -> list[tuple[str, str]]:
    """The query for the kubelet; 422 in upstream's words for what cannot be."""
    problems = Problems()
    options = [(name, "true") for name in FLAGS if flag(request, name)]
    for name, least in NUMBERS.items():
        value = integer(request, name)
        if value is None:
            continue
        if value < least and not (name == "sinceSeconds" and request.parameter("sinceTime")):
            problems.at(name).invalid(value, "must be greater than or equal to 0" if least == 0 else "must be greater than 0")
        options.append((name, str(value)))
    if since := request.parameter("sinceTime"):
        if wrong := time.parse_error(since):
            raise errors.bad_request(wrong)
        options.append(("sinceTime", since))
    if {"sinceSeconds", "sinceTime"} <= {name for name, _ in options}:
        problems.at("[]").forbidden("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if "stream" in request.query:
        problems.at("stream").forbidden("may not be specified")
    if problems:
        raise errors.invalid("PodLogOptions", "", pod.metadata.name, problems.found)
    return options


def refusal(request: Request, status: int, text: str) -> StatusError:
    """The StatusError for a kubelet's refusal, by its HTTP status and text."""
    if status == 400:
        return errors.bad_request(text)
    if status == 500:
        return errors.internal_error(text)
    if status == 404:
        return errors.not_found("pods", "", request.info.name)
    return errors.failure(status, "", f"the server rejected the request: {text}")


async def passed_on(request: Request, answer: ClientResponse) -> Response:
    """The kubelet's response, until it ends, the client leaves or the server stops."""
    response = web.StreamResponse(headers={"Content-Type": PLAIN, "Cache-Control": "no-cache, private"})
    if request.http.version >= (1, 1):
        response.enable_chunked_encoding()
    else:
        response.force_close()  # the end of the connection is the end of the log
    await response.prepare(request.http)
    request.on_gone(answer.close)
    request.api.streams.add(answer.close)
    try:
        async for block in answer.content.iter_any():
            await response.write(block)
        await response.write_eof()
    except (ClientError, ConnectionError):
        pass  # the head is out already: all that can be done is to end
    finally:
        request.api.streams.discard(answer.close)
    return response


async def as_messages(request: Request, answer: ClientResponse, protocol: str) -> Response:
    """The log as WebSocket messages: an empty one first, which shows that the connection works, then binary or base64 text."""

    async def ignore_messages() -> None:
        async for _ in sockets.messages(socket):
            pass
        answer.close()  # the client has closed: nobody reads on

    async with sockets.accepted(request, protocol) as socket, asyncio.TaskGroup() as group:
        listening = group.create_task(ignore_messages())
        with suppress(ClientError, ConnectionError):  # the client or the kubelet is gone: all that can be done is to end
            await sockets.send(socket, "" if protocol == BASE64 else b"")
            async for block in answer.content.iter_chunked(MESSAGE_BYTES):
                await sockets.send(socket, base64.b64encode(block).decode() if protocol == BASE64 else block)
            await socket.close()
        listening.cancel()
    return socket


LOG = Connect(("pods",), "log", log, ("GET",))
