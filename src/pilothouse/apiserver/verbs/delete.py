"""DELETE of one object."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.http import decoding, encoding, options
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.client.call import Call
from pilothouse.machinery.resource import Resource


async def delete(request: Request, resource: Resource[Any]) -> Response:
    """A Status when the object is gone, the object when it ends gracefully."""
    info = request.info
    encoding.form_of(request)
    chosen = options.for_delete(request, await decoding.read_delete_options(request))
    call = Call("delete", resource, info.object_namespace, info.name, info.subresource, options=chosen)
    return encoding.one(request, resource, await request.api.registry.execute(call, request.user, warnings=request.warnings))
