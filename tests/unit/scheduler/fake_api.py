"""An API server of a few lines: objects in a dict, watches as queues. No validation: that is the registry's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import orjson

from pilothouse.client.call import Call, ListResult, WatchEvent
from pilothouse.client.client import Client
from pilothouse.machinery.errors import StatusError, conflict, not_found

Key = tuple[type[Any], str, str]


class FakeApi:
    """Satisfies client.call.Transport; `put` and `remove` are the test's hands."""

    def __init__(self) -> None:
        self.objects: dict[Key, Any] = {}
        self.calls: list[Call] = []
        self.refuse_bindings: StatusError | None = None
        self.drop_bindings = False
        self.linger = False
        """Deleted Pods go on, marked, as those of slow nodes do."""
        self._revision = 0
        self._watchers: list[tuple[type[Any], asyncio.Queue[WatchEvent[Any]]]] = []

    @property
    def client(self) -> Client:
        return Client(self)

    def put(self, *objects: Any) -> None:
        for obj in objects:
            key = (type(obj), obj.metadata.namespace, obj.metadata.name)
            self._revision += 1
            obj.metadata.resourceVersion = str(self._revision)
            self._tell("MODIFIED" if key in self.objects else "ADDED", obj)
            self.objects[key] = obj

    def remove(self, obj: Any) -> None:
        found = self.objects.pop((type(obj), obj.metadata.namespace, obj.metadata.name))
        self._revision += 1
        self._tell("DELETED", found)

    def get(self, kind: type[Any], name: str, namespace: str = "default") -> Any:
        return self.objects[kind, namespace, name]

    def all(self, kind: type[Any]) -> list[Any]:
        return [one for (type_, _, _), one in self.objects.items() if type_ is kind]

    def _tell(self, type: str, obj: Any) -> None:
        for kind, queue in self._watchers:
            if isinstance(obj, kind):
                queue.put_nowait(WatchEvent(type, obj))

    async def call(self, call: Call) -> Any:
        self.calls.append(call)
        kind = call.resource.type
        if call.verb == "list":
            return ListResult(self.all(kind), str(self._revision))
        if call.verb == "create" and call.subresource == "binding":
            return self._bind(call)
        if call.verb == "create":
            self.put(call.body)
            return call.body
        if (kind, call.namespace, call.name) not in self.objects:
            raise not_found(call.resource.plural, call.resource.group, call.name)
        current = self.objects[kind, call.namespace, call.name]
        if call.verb == "patch":
            return self._patch(current, orjson.loads(call.body))
        if call.verb == "delete" and self.linger:
            going = self._copy(current)
            going.metadata.deletionTimestamp = "2025-01-01T00:00:00Z"
            self.put(going)
        elif call.verb == "delete":
            self.remove(current)
        return current

    def _bind(self, call: Call) -> Any:
        if self.refuse_bindings is not None:
            raise self.refuse_bindings
        if self.drop_bindings:
            return None
        current = self.objects.get((call.resource.type, call.namespace, call.name))
        if current is None:
            raise not_found("pods", "", call.name)
        if current.spec.nodeName:
            raise conflict("pods/binding", "", call.name, f"pod {call.name} is already assigned to node {current.spec.nodeName!r}")
        bound = self._copy(current)
        bound.spec.nodeName = call.body.target.name
        self.put(bound)
        return bound

    def _patch(self, current: Any, patch: dict[str, Any]) -> Any:
        """Fields of the status are replaced as a whole; null takes away."""
        tree = msgspec.to_builtins(current)
        for key, value in patch.get("metadata", {}).get("annotations", {}).items():
            tree["metadata"].setdefault("annotations", {})[key] = value
        for name, value in patch.get("status", {}).items():
            if value is None:
                tree["status"].pop(name, None)
            else:
                tree["status"][name] = [strip(one) for one in value] if isinstance(value, list) else value
        made = msgspec.convert(tree, type(current))
        self.put(made)
        return made

    @staticmethod
    def _copy(obj: Any) -> Any:
        return msgspec.convert(msgspec.to_builtins(obj), type(obj))

    async def watch(self, call: Call) -> AsyncIterator[WatchEvent[Any]]:
        queue: asyncio.Queue[WatchEvent[Any]] = asyncio.Queue()
        entry = (call.resource.type, queue)
        self._watchers.append(entry)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.remove(entry)


def strip(value: Any) -> Any:
    return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value
