"""GET of the discovery documents."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.apiserver.discovery.index import AGGREGATED_VERSIONS, Discovery, Encoded
from pilothouse.apiserver.endpoints.answer import JSON, Answer
from pilothouse.apiserver.endpoints.negotiation import SERVED, clauses, not_acceptable
from pilothouse.apiserver.endpoints.request import Handler, Request, Response


def paths(discovery: Discovery) -> Mapping[str, Handler]:
    """The plain paths of discovery."""

    async def serve(request: Request) -> Response:
        path = request.info.path.rstrip("/")
        chosen, version = choose(discovery, path, request.header("Accept"))
        return answer(request, chosen, version)

    found: dict[str, Handler] = {}
    for path in discovery.plain:
        found[path] = found[path + "/"] = serve
    return found


def choose(discovery: Discovery, path: str, accept: str) -> tuple[Encoded, str]:
    """The form of a document that the client likes best, and the version when it is the aggregated one."""
    if not accept:
        return discovery.plain[path], ""
    for media_type, parameters in clauses(accept):
        if SERVED.get(media_type) != JSON:
            continue
        version = parameters.get("v", "")
        if parameters.get("as") == "APIGroupDiscoveryList" and version in AGGREGATED_VERSIONS and (path, version) in discovery.aggregated:
            return discovery.aggregated[path, version], version
        if "as" not in parameters:
            return discovery.plain[path], ""
    raise not_acceptable()


def answer(request: Request, chosen: Encoded, version: str) -> Answer:
    """The document, or 304 when the client has it."""
    if not version:
        return Answer(200, chosen.body)
    content_type = f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    headers = [("ETag", chosen.etag), ("Vary", "Accept")]
    if chosen.etag in request.header("If-None-Match"):
        return Answer(304, b"", content_type, headers)
    return Answer(200, chosen.body, content_type, headers)
