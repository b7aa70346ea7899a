"""/: the paths that there are."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Handler, Request, Response


def paths(served: Mapping[str, Handler]) -> Mapping[str, Handler]:
    names = sorted({path.rstrip("/") for path in served if not path.endswith("*")})
    body = msgspec.json.format(msgspec.json.encode({"paths": names}), indent=2)

    async def serve(request: Request) -> Response:
        return Answer(200, body)

    return {"/": serve}
