"""DELETE of one object."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.http import decoding, encoding, options
from pilothouse.apiserver.http.auditing import note_options
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.client.call import Call
from pilothouse.machinery.resource import Resource


async def delete(request: Request, resource: Resource[Any]) -> Response:
    """Delete an object. Answers with a Status, or with the object while it is terminating: then 202 if orphanDependents is false."""
    info = request.info
    encoding.form_of(request)
    said = await decoding.read_delete_options(request)
    note_options(request, said)
    chosen = options.for_delete(request, said)
    call = Call("delete", resource, info.object_namespace, info.name, info.subresource, options=chosen)
    result = await request.api.registry.execute(call, request.user, warnings=request.warnings, annotations=request.annotations)
    accepted = chosen.orphan_dependents is False and isinstance(result, Entry) and is_ending(result.object)
    return encoding.encoded_object(request, resource, result, 202 if accepted else 200)


def is_ending(obj: Any) -> bool:
    """Whether a deleted object still exists: for finalizers, its grace period, or the content of a namespace."""
    meta = obj.metadata
    return bool(meta.deletionTimestamp) and (bool(meta.finalizers) or meta.deletionGracePeriodSeconds != 0)
