"""Empty lists and maps in the messages of refusals.

Objects keep no difference between `[]` and nothing, but upstream shows a value as the client said it: `Invalid value: []`. The body still
knows what that was. Only refusals are looked at, so that this costs nobody else anything.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from pilothouse.machinery import codec, strconv
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import StatusCause

NOTHING = re.compile(r"(Invalid|Unsupported) value: null")
MAPS = frozenset(("annotations", "capacity", "data", "hard", "labels", "limits", "matchLabels", "nodeSelector", "requests"))
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def show(error: StatusError, body: bytes, content_type: str) -> None:
    """Say `[]` or `{}` in a refusal where the body says so at the field that is refused."""
    causes = error.status.details.causes if error.status.details else []
    shown = [cause for cause in causes if NOTHING.match(cause.message)]
    if error.reason != "Invalid" or not shown:
        return
    with suppress(ValueError):  # what cannot be read here has been refused for that
        document = codec.parse(body, content_type)
        for cause in shown:
            said = _at(document, cause.field)
            is_map = isinstance(said, dict) and cause.field.rpartition(".")[2] in MAPS  # an empty struct is shown as upstream has it
            if not said and (is_map or isinstance(said, list)):
                _put(error, cause, "{}" if is_map else "[]")


def _put(error: StatusError, cause: StatusCause, said: str) -> None:
    before = f"{cause.field}: {cause.message}"
    cause.message = NOTHING.sub(rf"\1 value: {said}", cause.message, count=1)
    error.status.message = error.status.message.replace(before, f"{cause.field}: {cause.message}", 1)


def _at(document: Any, field: str) -> Any:
    """The value at a field's path; None where there is none."""
    for name, index in STEP.findall(field):
        if isinstance(document, dict) and name:
            document = document.get(name)
        elif isinstance(document, list) and (place := strconv.integer(index)) is not None and place < len(document):
            document = document[place]
        else:
            return None
    return document
