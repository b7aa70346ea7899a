"""PUT: replace an object or subresource."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.http import decoding, encoding, options
from pilothouse.apiserver.http.auditing import note_object
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.client.call import Call
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.said_empty import SaidEmpty


async def update(request: Request, resource: Resource[Any]) -> Response:
    """Replace an object; answers with 201 when the update created it."""
    info = request.info
    encoding.form_of(request)
    chosen = options.for_write(request, "UpdateOptions")
    body = await decoding.read(request, resource, chosen.field_validation, decoding.content_type_of(request))
    note_object(request, resource, body)
    call = Call("update", resource, info.object_namespace, info.name, info.subresource, body, options=chosen, body_bytes=request.body_bytes)
    call.empty_lists = request.empty_lists
    with SaidEmpty() as said_empty:
        said_empty.add(request.said_empty)
        result = await request.api.registry.execute(call, request.user, warnings=request.warnings, annotations=request.annotations)
    return encoding.encoded_object(request, resource, result, encoding.written(result))
