"""Watch: stream of events, as JSON lines in chunks, or as WebSocket messages.

- An event's JSON was made once for all watchers; here it is only framed and written.
- A watch ends after `timeoutSeconds` (when the client names none: upstream's 30 to 60 minutes), when the server stops, or
  when the client goes; a failure after the start is an ERROR event.
- A client that reads too slowly is waited for; the cache bounds what waits for one watcher and ends the watch beyond.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

from pilothouse.api.protobuf import envelope
from pilothouse.apiserver.cache.watch import Watch, Write
from pilothouse.apiserver.http import encoding, options
from pilothouse.apiserver.http.negotiation import PROTOBUF, Form
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.apiserver.http.streaming import sockets
from pilothouse.apiserver.http.watch_encoding import Encode, encoder, plain, plain_protobuf
from pilothouse.apiserver.http.watch_streams import HttpStream, Stream, WebSocketStream
from pilothouse.client.call import Call, Options
from pilothouse.machinery import fields
from pilothouse.machinery.errors import StatusError, bad_request
from pilothouse.machinery.resource import Resource

MINIMUM_SECONDS = 1800
"""Upstream's --min-request-timeout: a watch without a timeout of its own lasts one to two times that."""
TOLD_IN_STREAM = ("Expired", "Gone", "Timeout")
"""Reasons of failures that are events, as upstream: revisions that are no longer known, or that have not come yet."""

AT_ONCE_LIMIT = 100
"""Events in one write: a watch may begin with all objects of a resource."""


async def watch(request: Request, resource: Resource[Any]) -> Response:
    """Stream events until the watch ends."""
    form = encoding.form_of(request, resource)
    info = request.info
    chosen = options.for_list(request)
    if info.name:
        chosen = with_name(chosen, info.name)
    if not chosen.timeout_seconds:
        chosen = replace(chosen, timeout_seconds=request.api.entropy.jitter(MINIMUM_SECONDS, 1.0))
    stream: Stream = WebSocketStream(form.media_type) if sockets.is_websocket(request) else HttpStream(form.media_type)
    try:
        events = await request.api.registry.open_watch(Call("watch", resource, info.object_namespace, options=chosen), request.user)
    except StatusError as error:
        if error.reason not in TOLD_IN_STREAM:
            raise
        return await refuse(request, stream, error, form)
    try:
        encode = encoder(request, resource, form)
    except StatusError:
        await events.aclose()
        raise
    request.api.streams.add(events.end)
    request.api.metrics.begin(info.labels)
    request.on_gone(events.end)
    try:
        response = await stream.open(request)
        events.binary = encode is plain_protobuf
        at_once = encode in (plain, plain_protobuf) and isinstance(stream, HttpStream)
        write = stream.writer(events.queue_events) if at_once else None  # type: ignore[attr-defined]
        async with stream.reading(events.end) if isinstance(stream, WebSocketStream) else nullcontext():
            with suppress(ConnectionError):  # the client has gone: nobody is left to be told
                await pump(events, stream, encode, write, form)
                await stream.close()
    finally:
        request.api.streams.discard(events.end)
        request.api.metrics.end(info.labels)
        await events.aclose()
    return response


async def refuse(request: Request, stream: Stream, error: StatusError, form: Form) -> Response:
    """Report an expired revision as an event in the stream with status 200, as upstream does."""
    response = await stream.open(request)
    with suppress(ConnectionError):
        await stream.send([error_event(error, form)])
        await stream.close()
    return response


def error_event(error: StatusError, form: Form) -> bytes:
    """A failure as an ERROR event, in the format of the stream."""
    if form.media_type == PROTOBUF:
        return envelope.framed("ERROR", envelope.encode(error.status))
    return b'{"type":"ERROR","object":%b}\n' % encoding.encode_json(error.status)


async def pump(events: Watch, stream: Stream, encode: Encode, write: Write | None, form: Form) -> None:
    """Write events until the watch ends; its failure is the last event.

    While nothing waits to be written, events go straight to `write`: most changes wake no task.
    """
    try:
        while True:
            events.write_directly(write)
            batch = await events.batch()
            events.queue_events()
            if not batch:
                return
            for start in range(0, len(batch), AT_ONCE_LIMIT):
                await stream.send(encode(batch[start : start + AT_ONCE_LIMIT]))
    except StatusError as error:
        await stream.send([error_event(error, form)])


def with_name(chosen: Options, name: str) -> Options:
    """Options of a watch of one object by the old form, with the name in the path."""
    selector = f"metadata.name={name}"
    if chosen.field_selector and fields.parse(chosen.field_selector).exact("metadata.name") != name:
        raise bad_request("fieldSelector metadata.name doesn't match requested name")
    return replace(chosen, field_selector=f"{chosen.field_selector},{selector}" if chosen.field_selector else selector)
