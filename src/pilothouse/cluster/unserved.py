"""Warning Events about features that this cluster does not have (yet).

- A NetworkPolicy is stored and not enforced.
- An Ingress has no controller when its class has no IngressClass, or when the controller of that class does not take it.
- A Service of type LoadBalancer without a `loadBalancerClass` gets no address; its node ports and its ClusterIP answer.

An Ingress or a Service that somebody has given an address within its grace is served by a controller of the user's own: GRACE_SECONDS,
and CONTROLLER_SECONDS where an IngressClass names a controller, which may be on its way.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Service
from pilothouse.api.types.networking_v1 import Ingress, IngressClass, NetworkPolicy
from pilothouse.client.client import Client
from pilothouse.client.events import WARNING, EventRecorder
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import Clock, Timer
from pilothouse.kit.entropy import Entropy

GRACE_SECONDS = 5.0
CONTROLLER_SECONDS = 30.0
TOLD_LIMIT = 10_000
"""Objects that are remembered as told about."""

Message = tuple[str, str]
"""Reason and message of the Event."""


def of_policy(policy: NetworkPolicy) -> Message:
    """Reason and message of the event for a NetworkPolicy."""
    return "NotEnforced", "NetworkPolicies are stored but not enforced by this cluster: all traffic is allowed"


def of_ingress(ingress: Ingress, classes: list[IngressClass]) -> Message | None:
    """Event for an Ingress without a controller; None when a controller serves it or an annotation names one."""
    if ingress.status.loadBalancer.ingress or ingress.metadata.annotations.get(wellknown.INGRESS_CLASS):
        return None
    name = ingress.spec.ingressClassName
    known = class_of(ingress, classes)
    if known is not None:
        controller = f"{known.spec.controller} of IngressClass {known.metadata.name}"
        return "NoController", f"no address from the controller {controller}: if it does not run, nothing serves this Ingress"
    if name:
        return "NoController", f"there is no IngressClass {name}: no controller serves this Ingress; install one"
    return "NoController", "this cluster has no ingress controller: nothing serves this Ingress; install one and name its class"


def class_of(ingress: Ingress, classes: list[IngressClass]) -> IngressClass | None:
    """The IngressClass that an Ingress names, or the default one where it names none."""
    name = ingress.spec.ingressClassName
    for known in classes:
        if known.metadata.name == name if name else known.metadata.annotations.get(wellknown.DEFAULT_INGRESS_CLASS) == "true":
            return known
    return None


def of_service(service: Service) -> Message | None:
    """Event for a LoadBalancer Service; None for other types, or when a controller may serve it."""
    if service.spec.type != "LoadBalancer" or service.spec.loadBalancerClass or service.status.loadBalancer.ingress:
        return None
    ports = ", ".join(str(port.nodePort) for port in service.spec.ports if port.nodePort)
    instead = f"node ports {ports} on 127.0.0.1 and on the node's address" if ports else "its ClusterIP"
    return "NoLoadBalancer", f"this cluster gives no addresses to load balancers; use {instead}"


class Unserved:
    """Emits Events on NetworkPolicies, Ingresses and Services that nobody serves."""

    def __init__(self, client: Client, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._events = EventRecorder(client, "pilothouse", clock, entropy)
        self._policies = Informer(client, NetworkPolicy, clock=clock)
        self._ingresses = Informer(client, Ingress, clock=clock)
        self._classes = Informer(client, IngressClass, clock=clock)
        self._services = Informer(client, Service, clock=clock)
        self._timers: dict[tuple[Informer[Any], str, str], Timer] = {}
        self._told: dict[tuple[str, str], None] = {}

    async def run(self) -> None:
        """Watch and emit events until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in (self._policies, self._ingresses, self._classes, self._services):
                if informer is not self._classes:
                    informer.subscribe(self._noting(informer))
                group.create_task(informer.run(), name=informer.kind.__name__)
            try:
                await self._events.run()
            finally:
                for timer in self._timers.values():
                    timer.cancel()

    def _noting(self, informer: Informer[Any]) -> Any:
        def grace(obj: Any) -> float:
            if informer is self._policies:
                return 0.0
            named = isinstance(obj, Ingress) and class_of(obj, self._classes.list()) is not None
            return CONTROLLER_SECONDS if named else GRACE_SECONDS

        def note(_: str, old: Any, new: Any) -> None:
            changed = old is None or old.metadata.generation != new.metadata.generation if new is not None else False
            if changed or (new is not None and isinstance(new, Service) and old.spec.type != new.spec.type):
                key = (informer, new.metadata.namespace, new.metadata.name)
                if key in self._timers:
                    self._timers[key].cancel()
                self._timers[key] = self._clock.call_after(grace(new), lambda: self._tell(*key))

        return note

    def _tell(self, informer: Informer[Any], namespace: str, name: str) -> None:
        self._timers.pop((informer, namespace, name), None)
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
