"""GET of a collection."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.cache.entry import EntryList
from pilothouse.apiserver.http import encoding, options
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.client.call import Call
from pilothouse.machinery.resource import Resource


async def list_(request: Request, resource: Resource[Any]) -> Response:
    """The selected objects, or one page of them."""
    form = encoding.form_of(request, resource)  # a 406 comes before the work
    call = Call("list", resource, request.info.object_namespace, options=options.for_list(request))
    result = await request.api.registry.execute(call, request.user)
    assert isinstance(result, EntryList)
    await encoding.encode_in_turns(request, form, result)
    return encoding.encoded_list(request, resource, result)
