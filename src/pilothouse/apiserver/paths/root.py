"""/: the paths that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Handler, Request, Response


def paths(served: Mapping[str, Handler], discovered: Callable[[], Iterable[str]]) -> Mapping[str, Handler]:
    """The handler of `/`. `served` are the fixed paths, `discovered` gives those of the discovery documents."""
    fixed = {path.rstrip("/") for path in served if not path.endswith("*")}

    async def serve(request: Request) -> Response:
        names = sorted(fixed.union(discovered()))
        return Answer(200, msgspec.json.format(msgspec.json.encode({"paths": names}), indent=2))

    return {"/": serve, "/index.html": serve}
