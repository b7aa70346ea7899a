"""PATCH: JSON patch, merge patch, strategic merge patch or server-side apply; the registry applies it."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.http import decoding, encoding, options
from pilothouse.apiserver.http.auditing import note_patch
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.client.call import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, Call
from pilothouse.machinery import errors
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.said_empty import SaidEmpty

PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH)


async def patch(request: Request, resource: Resource[Any]) -> Response:
    """Patch an object; answers with the result."""
    info = request.info
    patch_type = patch_type_of(request, resource)
    encoding.form_of(request)
    chosen = options.for_patch(request, patch_type)
    body = await decoding.body(request, patch_type)
    note_patch(request, patch_type, body)
    call = Call("patch", resource, info.object_namespace, info.name, info.subresource, body, patch_type, chosen, request.body_bytes)
    with SaidEmpty() as call.said_empty:
        result = await request.api.registry.execute(call, request.user, warnings=request.warnings, annotations=request.annotations)
    return encoding.encoded_object(request, resource, result, encoding.written(result))


def patch_type_of(request: Request, resource: Resource[Any]) -> str:
    """Type of the patch. Raises StatusError 415 for an unknown one."""
    media_type = decoding.media_type_of(request.header("Content-Type"))
    if media_type in PATCH_TYPES:
        return media_type
    accepted = ", ".join(PATCH_TYPES)
    raise errors.unsupported_media_type(f"the body of the request was in an unknown format - accepted media types include: {accepted}")
