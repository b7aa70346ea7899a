"""DELETE of a collection."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.cache.entry import EntryList
from pilothouse.apiserver.http import decoding, encoding, options
from pilothouse.apiserver.http.auditing import note_options
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.client.call import Call
from pilothouse.machinery.resource import Resource


async def deletecollection(request: Request, resource: Resource[Any]) -> Response:
    """Delete the selected objects; answers with their list."""
    encoding.form_of(request)
    listed = options.for_deletecollection(request)
    said = await decoding.read_delete_options(request)
    note_options(request, said)
    chosen = options.chosen_by(options.for_delete(request, said), listed)
    call = Call("deletecollection", resource, request.info.object_namespace, options=chosen)
    result = await request.api.registry.execute(call, request.user, warnings=request.warnings, annotations=request.annotations)
    if isinstance(result, EntryList):
        return encoding.encoded_list(request, resource, result)
    return encoding.encoded_object(request, resource, result)
