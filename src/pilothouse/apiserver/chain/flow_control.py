"""Tells by which flow schema and priority level a request counts: X-Kubernetes-PF-FlowSchema-UID and -PriorityLevel-UID.

- The uids are those of the FlowSchema and PriorityLevelConfiguration objects; where such an object is missing, its uid is derived
  from its name, so that it stays the same.
- Who was not let in (401) is told nothing, as upstream.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Handler, Request, Response

UNAUTHORIZED = 401
FLOW_SCHEMA, PRIORITY_LEVEL = "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid"
"""As Go's server writes their names."""


async def name_flow(request: Request, next: Handler) -> Response:
    """The answer with the uids of its flow in two headers."""
    response = await next(request)
    if isinstance(response, Answer) and response.status != UNAUTHORIZED:
        flow = request.api.flows.flow_of(request.user, request.info)
        request.api.counters.dispatch(flow.schema, flow.level)
        uids = (
            flow.schema_uid or derived_uid("FlowSchema", flow.schema),
            flow.level_uid or derived_uid("PriorityLevelConfiguration", flow.level),
        )
        response.headers = [*response.headers, (FLOW_SCHEMA, uids[0]), (PRIORITY_LEVEL, uids[1])]
    return response


@lru_cache(maxsize=64)
def derived_uid(kind: str, name: str) -> str:
    """A uid that follows from kind and name."""
    digest = hashlib.sha256(f"{kind}/{name}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
