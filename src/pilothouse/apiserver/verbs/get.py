"""GET of one object."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.http import encoding, options
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.client.call import Call
from pilothouse.machinery.resource import Resource


async def get(request: Request, resource: Resource[Any]) -> Response:
    """The object, or its subresource."""
    info = request.info
    encoding.form_of(request, resource)
    call = Call("get", resource, info.object_namespace, info.name, info.subresource, options=options.for_get(request))
    return encoding.encoded_object(request, resource, await request.api.registry.execute(call, request.user))
