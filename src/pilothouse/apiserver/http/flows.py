"""Classification of requests by FlowSchema and PriorityLevelConfiguration, from the caches."""

from __future__ import annotations

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.flowcontrol_v1 import FlowSchema, PriorityLevelConfiguration
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.cache.caches import Caches
from pilothouse.apiserver.fairness.matching import Flow, FlowTable
from pilothouse.apiserver.http.request_info import RequestInfo, attributes_of

REMEMBERED = 4096
"""Flows that are remembered: clients ask the same again and again."""


class Flows:
    """Request classification of an API server."""

    def __init__(self, caches: Caches) -> None:
        self._schemas = caches.peek(resource_of(FlowSchema))
        self._levels = caches.peek(resource_of(PriorityLevelConfiguration))
        self._revision = (-1, -1)
        self._table = FlowTable((), ())
        self._remembered: dict[tuple[object, ...], Flow] = {}

    def flow_of(self, user: User, info: RequestInfo) -> Flow:
        """The flow of a user's request."""
        revision = (self._schemas.changed, self._levels.changed)
        if revision != self._revision or len(self._remembered) >= REMEMBERED:
            self._revision = revision
            self._table = FlowTable(self._schemas.objects(), self._levels.objects())
            self._remembered = {}
        path = "" if info.is_resource else info.path
        key = (user.name, user.groups, info.verb, info.group, info.plural, info.subresource, info.namespace, path)
        flow = self._remembered.get(key)
        if flow is None:
            flow = self._remembered[key] = self._table.flow_of(user, attributes_of(info, ""))
        return flow
