"""Why a request is refused for its path, method or name alone, as upstream's generic API server says it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import NO_SNIFFING
from pilothouse.machinery import errors
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import StatusDetails
from pilothouse.machinery.resource import Resource


def no_such_page() -> Answer:
    """404 for a path that nobody has anything to do with, as Go's router says it."""
    return Answer(404, b"404 page not found\n", "text/plain; charset=utf-8", [NO_SNIFFING])


def bad_name(name: str) -> StatusError:
    """A name that could be no segment of a path (upstream's IsValidPathSegmentName)."""
    if name in (".", ".."):
        return errors.bad_request(f"Name parameter invalid: \"{name}\": may not be '{name}'")
    wrong = ";".join(f"may not contain '{character}'" for character in "/%" if character in name)
    return errors.bad_request(f"Name parameter invalid: {json.dumps(name, ensure_ascii=False)}: {wrong}")


def no_text(resource: Resource[Any], path: str, name: str) -> StatusError:
    """404 for a name of bytes that are no UTF-8, which nothing can have: the message shows them. `name` has a U+FFFD for each."""
    parts = unquote(path, errors="surrogateescape").split("/")
    shown = next((part for part in parts if part.encode(errors="surrogateescape").decode(errors="replace") == name), name)
    error = errors.not_found(resource.plural, resource.group, shown)
    error.status.details = StatusDetails(name=name, group=resource.group, kind=resource.plural)
    return error


def bad_namespace(resource: Resource[Any], namespace: str, name: str, *, is_new: bool) -> StatusError:
    """Upstream's errors for the namespaces `.` and `..`, which cannot be part of a key."""
    if is_new:
        return errors.internal_error(f"invalid resource name \"{namespace}\": [may not be '{namespace}']")
    key = "/".join(["", resource.strategy.storage_prefix or resource.plural, namespace, *([name] if name else [])])
    return errors.failure(500, "", f'invalid key: "{key}"')


def method_not_allowed() -> StatusError:
    """405 for a verb that the resource or path does not have."""
    return errors.failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", StatusDetails())
