"""DefaultIngressClass: an Ingress that names no class gets the one that is marked as default."""

from __future__ import annotations

from pilothouse.api import wellknown
from pilothouse.api.types.networking_v1 import Ingress, IngressClass
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, Plugin, World

INGRESSES = ("networking.k8s.io", "ingresses")


class DefaultIngressClass(Plugin):
    """See the module docstring."""

    name = "DefaultIngressClass"
    kinds = frozenset({INGRESSES})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        if request.operation != CREATE or request.subresource:
            return
        ingress: Ingress = request.object
        if ingress.spec.ingressClassName or wellknown.INGRESS_CLASS in ingress.metadata.annotations:
            return
        marked = [one for one in await world.list(IngressClass) if one.metadata.annotations.get(wellknown.DEFAULT_INGRESS_CLASS) == "true"]
        if marked:
            newest = max(one.metadata.creationTimestamp for one in marked)
            names = sorted(one.metadata.name for one in marked if one.metadata.creationTimestamp == newest)
            ingress.spec.ingressClassName = names[0]
