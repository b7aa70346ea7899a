"""What the client is to be warned of leaves as `Warning` headers: 299, as upstream sends them."""

from __future__ import annotations

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Handler, Request, Response

LENGTH_LIMIT = 4 * 1024
"""Characters of all warnings of one answer; what is beyond is cut, as upstream does."""


async def add_warnings(request: Request, next: Handler) -> Response:
    response = await next(request)
    if request.warnings and isinstance(response, Answer):
        left = LENGTH_LIMIT
        for text in dict.fromkeys(request.warnings):
            left -= len(text)
            if left < 0:
                break
            response.headers.append(("Warning", f'299 - "{escaped(text)}"'))
    return response


def escaped(text: str) -> str:
    """Text as it may stand in quotes in a header."""
    return "".join(one if one.isprintable() else " " for one in text).replace("\\", "\\\\").replace('"', '\\"')
