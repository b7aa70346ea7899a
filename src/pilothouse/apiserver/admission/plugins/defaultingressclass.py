"""DefaultIngressClass: an Ingress that names no class gets the one that is marked as default."""

from __future__ import annotations

from pilothouse.api import wellknown
from pilothouse.api.types.networking_v1 import Ingress, IngressClass
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, Plugin, World

INGRESSES = ("networking.k8s.io", "ingresses")


class DefaultIngressClass(Plugin):
    """Sets the default IngressClass on a new Ingress that names none."""

    name = "DefaultIngressClass"
    kinds = frozenset({INGRESSES})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Set `ingressClassName` of a new Ingress to the default class; of several the newest, then the first by name."""
        if request.operation != CREATE or request.subresource:
            return
        ingress: Ingress = request.object
        if ingress.spec.ingressClassName or wellknown.INGRESS_CLASS in ingress.metadata.annotations:
            return
        marked = [
            ingress_class
            for ingress_class in await world.list(IngressClass)
            if ingress_class.metadata.annotations.get(wellknown.DEFAULT_INGRESS_CLASS) == "true"
        ]
        if marked:
            newest = max(ingress_class.metadata.creationTimestamp for ingress_class in marked)
            names = sorted(ingress_class.metadata.name for ingress_class in marked if ingress_class.metadata.creationTimestamp == newest)
            ingress.spec.ingressClassName = names[0]
