"""Events that say what this cluster does not do (yet): nobody is to wait for it in silence.

- A NetworkPolicy is stored and not enforced.
- An Ingress whose class has no IngressClass has no controller.
- A Service of type LoadBalancer without a `loadBalancerClass` gets no address; its node ports and its ClusterIP answer.

An Ingress or a Service that somebody has given an address within GRACE_SECONDS is served by a controller of the user's own.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pilothouse.api.types.core_v1 import Service
from pilothouse.api.types.networking_v1 import Ingress, IngressClass, NetworkPolicy
from pilothouse.client.client import Client
from pilothouse.client.events import WARNING, EventRecorder
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy

GRACE_SECONDS = 5.0
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
TOLD_LIMIT = 10_000
"""Objects that are remembered as told about."""

Message = tuple[str, str]
"""Reason and message of the Event."""


def of_policy(policy: NetworkPolicy) -> Message:
    """Reason and message of the event for a NetworkPolicy."""
    return "NotEnforced", "NetworkPolicies are stored but not enforced by this cluster: all traffic is allowed"


def of_ingress(ingress: Ingress, classes: list[IngressClass]) -> Message | None:
    """None when some controller may serve it."""
    if ingress.status.loadBalancer.ingress or ingress.metadata.annotations.get(CLASS_ANNOTATION):
        return None
    name = ingress.spec.ingressClassName
    if name:
        if any(known.metadata.name == name for known in classes):
            return None
        return "NoController", f"there is no IngressClass {name}: no controller serves this Ingress; install one"
    if any(known.metadata.annotations.get(DEFAULT_CLASS_ANNOTATION) == "true" for known in classes):
        return None
    return "NoController", "this cluster has no ingress controller: nothing serves this Ingress; install one and name its class"


def of_service(service: Service) -> Message | None:
    """None for another type, and where some controller may give it an address."""
    if service.spec.type != "LoadBalancer" or service.spec.loadBalancerClass or service.status.loadBalancer.ingress:
        return None
    ports = ", ".join(str(port.nodePort) for port in service.spec.ports if port.nodePort)
    instead = f"node ports {ports} on 127.0.0.1 and on the node's address" if ports else "its ClusterIP"
    return "NoLoadBalancer", f"this cluster gives no addresses to load balancers; use {instead}"


class Unserved:
    """See the module docstring."""

    def __init__(self, client: Client, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._events = EventRecorder(client, "pilothouse", clock, entropy)
        self._policies = Informer(client, NetworkPolicy, clock=clock)
        self._ingresses = Informer(client, Ingress, clock=clock)
        self._classes = Informer(client, IngressClass, clock=clock)
        self._services = Informer(client, Service, clock=clock)
        self._new: asyncio.Queue[tuple[float, Informer[Any], str, str]] = asyncio.Queue()
        self._told: dict[tuple[str, str], None] = {}

    async def run(self) -> None:
        """Watch and emit events until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in (self._policies, self._ingresses, self._classes, self._services):
                if informer is not self._classes:
                    informer.subscribe(self._noting(informer))
                group.create_task(informer.run(), name=informer.kind.__name__)
            group.create_task(self._events.run(), name="events")
            while True:
                at, informer, namespace, name = await self._new.get()
                await self._clock.sleep(max(at - self._clock.monotonic(), 0.0))
                self._tell(informer, namespace, name)

    def _noting(self, informer: Informer[Any]) -> Any:
        grace = 0.0 if informer is self._policies else GRACE_SECONDS

        def note(_: str, old: Any, new: Any) -> None:
            changed = old is None or old.metadata.generation != new.metadata.generation if new is not None else False
            if changed or (new is not None and isinstance(new, Service) and old.spec.type != new.spec.type):
                self._new.put_nowait((self._clock.monotonic() + grace, informer, new.metadata.namespace, new.metadata.name))

        return note

    def _tell(self, informer: Informer[Any], namespace: str, name: str) -> None:
        obj = informer.get(namespace, name)
        if obj is None:
            return
        message = self._message(obj)
        key = (obj.metadata.uid, message[0]) if message else ("", "")
        if message is None or key in self._told:
            return
        self._told[key] = None
        while len(self._told) > TOLD_LIMIT:
            del self._told[next(iter(self._told))]
        self._events.event(obj, WARNING, *message)

    def _message(self, obj: Any) -> Message | None:
        if isinstance(obj, NetworkPolicy):
            return of_policy(obj)
        if isinstance(obj, Ingress):
            return of_ingress(obj, self._classes.list())
        return of_service(obj)
