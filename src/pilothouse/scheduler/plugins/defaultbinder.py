"""DefaultBinder: binds through the Pod's `binding` subresource."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Binding, ObjectReference, Pod
from pilothouse.client.client import Client
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.scheduler.facts import PodFacts
from pilothouse.scheduler.framework.interfaces import Wake


class DefaultBinder:
    """The Bind plugin of the default profile."""

    name = "DefaultBinder"
    woken_by: tuple[Wake, ...] = ()

    def __init__(self, client: Client) -> None:
        self._client = client

    async def bind(self, pod: PodFacts, node_name: str) -> bool:
        """Create the Binding. Always True; StatusError when the API refuses it."""
        meta = pod.pod.metadata
        binding = Binding(
            metadata=ObjectMeta(name=meta.name, namespace=meta.namespace, uid=meta.uid),
            target=ObjectReference(kind="Node", name=node_name),
        )
        await self._client.create_subresource(Pod, meta.name, meta.namespace, "binding", binding)
        return True
