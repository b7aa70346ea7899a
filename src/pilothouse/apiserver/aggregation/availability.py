"""Whether an extension API server answers: what the condition Available of its APIService says when it does not.

Upstream: the remote available controller of kube-aggregator, which asks for the document of the group and version.
"""

from __future__ import annotations

import asyncio

from pilothouse.api.types.apiregistration_v1 import APIService
from pilothouse.apiserver.aggregation.backends import Backends
from pilothouse.apiserver.aggregation.client import NoAnswer, ask
from pilothouse.apiserver.aggregation.extensions import Extension, extension_of

ATTEMPTS = 5
"""Side by side, as upstream: one that succeeds is enough."""
SUCCESS = range(200, 300)


async def discovery_problem(backends: Backends, apiservice: APIService) -> str:
    """Why the server cannot be asked for what it serves; "" when it can."""
    extension = extension_of(apiservice)
    if extension is None:
        return ""
    problems = await asyncio.gather(*(_problem(backends, extension) for _ in range(ATTEMPTS)))
    return "" if "" in problems else problems[-1]


async def _problem(backends: Backends, extension: Extension) -> str:
    url = f"https://{extension.server_name}:{extension.port}{extension.path}"
    try:
        answer = await ask(backends, extension, extension.path, "*/*")
    except NoAnswer as problem:
        return f"failing or missing response from {url}: {problem}"
    if answer.code not in SUCCESS:
        return f"failing or missing response from {url}: bad status from {url}: {answer.code}"
    return ""
