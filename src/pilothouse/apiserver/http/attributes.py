"""What a request is about, as an authorizer sees it."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.selectors import SELECTING_VERBS, selected_name
from pilothouse.apiserver.http.request import Request
from pilothouse.apiserver.http.request_info import attributes_of


def requested(request: Request) -> Attributes:
    """What the request is about, as an authorizer sees it: of a list, a watch or a deletecollection with its selectors."""
    info = request.info
    if "elector=" not in request.query_string or not info.is_resource or info.verb not in SELECTING_VERBS:
        return attributes_of(info, info.name)
    field_selector = request.parameter("fieldSelector")
    name = info.name or ("" if info.verb == "deletecollection" else selected_name(field_selector))
    asked = attributes_of(info, name)
    if info.is_old_watch:  # which has no selectors as upstream's authorizers see it
        return asked
    return replace(asked, field_selector=field_selector, label_selector=request.parameter("labelSelector"))
