"""Tells by which flow schema and priority level a request counts: X-Kubernetes-PF-FlowSchema-UID and -PriorityLevel-UID.

- The suggested and mandatory schemas of upstream, in its order of precedence; objects of these names give their own uid.
- Without such an object the uid is derived from the name, so that it stays the same.
- Who was not let in (401) is told nothing, as upstream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.flowcontrol_v1 import FlowSchema, PriorityLevelConfiguration
from pilothouse.apiserver.auth.user import MASTERS, NODES, SERVICE_ACCOUNT_PREFIX, SERVICE_ACCOUNTS
from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import Handler, Request, Response

UNAUTHORIZED = 401
FLOW_SCHEMA, PRIORITY_LEVEL = "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid"
"""As Go's server writes their names."""
KUBE_SYSTEM = f"{SERVICE_ACCOUNT_PREFIX}kube-system:"
PROBES = ("/healthz", "/livez", "/readyz")
COMPONENTS = ("system:kube-controller-manager", "system:kube-scheduler")
RULES: tuple[tuple[str, str, Callable[[Request], bool]], ...] = (
    ("exempt", "exempt", lambda request: MASTERS in request.user.groups),
    ("probes", "exempt", lambda request: request.info.path in PROBES and not request.info.is_resource),
    ("system-leader-election", "leader-election", lambda request: _is_lease(request) and request.user.name in COMPONENTS),
    ("workload-leader-election", "leader-election", lambda request: _is_lease(request) and request.user.name.startswith(KUBE_SYSTEM)),
    ("system-node-high", "node-high", lambda request: NODES in request.user.groups and _is_node_or_lease(request)),
    ("system-nodes", "system", lambda request: NODES in request.user.groups),
    ("kube-controller-manager", "workload-high", lambda request: request.user.name == "system:kube-controller-manager"),
    ("kube-scheduler", "workload-high", lambda request: request.user.name == "system:kube-scheduler"),
    ("kube-system-service-accounts", "workload-high", lambda request: request.user.name.startswith(KUBE_SYSTEM)),
    ("service-accounts", "workload-low", lambda request: SERVICE_ACCOUNTS in request.user.groups),
    ("global-default", "global-default", lambda request: True),
)
"""Flow schema, priority level, and whether a request counts by it: the first that fits."""


async def name_flow(request: Request, next: Handler) -> Response:
    response = await next(request)
    if isinstance(response, Answer) and response.status != UNAUTHORIZED:
        schema, level = classified(request)
        caches = request.api.registry.store.caches
        uids = (uid_of(caches, FlowSchema, schema), uid_of(caches, PriorityLevelConfiguration, level))
        response.headers = [*response.headers, (FLOW_SCHEMA, uids[0]), (PRIORITY_LEVEL, uids[1])]
    return response


def classified(request: Request) -> tuple[str, str]:
    """The names of the flow schema and of the priority level."""
    for schema, level, fits in RULES:
        if fits(request):
            return schema, level
    raise AssertionError("the last rule fits every request")


def _is_lease(request: Request) -> bool:
    return (request.info.group, request.info.plural) == ("coordination.k8s.io", "leases")


def _is_node_or_lease(request: Request) -> bool:
    return (request.info.group, request.info.plural) == ("", "nodes") or _is_lease(request)


def uid_of(caches: Any, kind: type[Any], name: str) -> str:
    entry = caches.peek(resource_of(kind)).get("", name)
    return derived_uid(kind.__name__, name) if entry is None else str(entry.object.metadata.uid)


@lru_cache(maxsize=64)
def derived_uid(kind: str, name: str) -> str:
    digest = hashlib.sha256(f"{kind}/{name}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
