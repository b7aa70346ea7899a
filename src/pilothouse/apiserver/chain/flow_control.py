"""Tells by which flow schema and priority level a request counts: X-Kubernetes-PF-FlowSchema-UID and -PriorityLevel-UID.

- The uids are those of the FlowSchema and PriorityLevelConfiguration objects; where such an object is missing, its uid is derived
  from its name, so that it stays the same.
- Whoever is refused before (401, a bad timeout, a refused impersonation) is told nothing, and connections that last count for no flow, but
  watches do, as upstream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from functools import lru_cache

from pilothouse.apiserver.http.request import Handler, Request, Response

LONG_RUNNING = frozenset(("attach", "exec", "log", "portforward", "proxy"))
"""Subresources whose connections last."""
FLOW_SCHEMA, PRIORITY_LEVEL = "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid"
"""As Go's server writes their names."""


def name_flow(request: Request, next: Handler) -> Awaitable[Response]:
    """Hand the request on; its answer bears the uids of its flow in two headers."""
    if request.info.subresource not in LONG_RUNNING and request.info.plural != "proxy":
        flow = request.api.flows.flow_of(request.user, request.info)
        request.api.counters.dispatch(flow.schema, flow.level)
        uids = (
            flow.schema_uid or derived_uid("FlowSchema", flow.schema),
            flow.level_uid or derived_uid("PriorityLevelConfiguration", flow.level),
        )
        request.answer_headers += ((FLOW_SCHEMA, uids[0]), (PRIORITY_LEVEL, uids[1]))
    return next(request)


@lru_cache(maxsize=64)
def derived_uid(kind: str, name: str) -> str:
    """A uid that follows from kind and name."""
    digest = hashlib.sha256(f"{kind}/{name}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
