"""POST: create an object or subresource (binding, eviction, token), or answer a review."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.http import decoding, encoding, options
from pilothouse.apiserver.http.auditing import note_object
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.client.call import Call
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.said_empty import SaidEmpty


async def create(request: Request, resource: Resource[Any]) -> Response:
    """Create an object; answers with 201."""
    info = request.info
    encoding.form_of(request, resource)
    content_type = decoding.content_type_of(request)
    chosen = options.for_write(request, "CreateOptions")
    body = await decoding.read(request, resource, chosen.field_validation, content_type)
    note_object(request, resource, body)
    call = Call("create", resource, info.object_namespace, info.name, info.subresource, body, options=chosen, body_bytes=request.body_bytes)
    call.empty_lists = request.empty_lists
    with SaidEmpty() as said_empty:
        said_empty.add(request.said_empty)
        made = await request.api.registry.execute(call, request.user, warnings=request.warnings, annotations=request.annotations)
    return encoding.encoded_object(request, resource, made, 201)
