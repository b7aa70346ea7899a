"""NamespaceLifecycle: nothing is created in a namespace that does not exist or that ends; the first namespaces never end."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Namespace
from pilothouse.apiserver.admission.plugin import CREATE, DELETE, AdmissionRequest, Plugin, World
from pilothouse.machinery.errors import forbidden, not_found
from pilothouse.machinery.meta_v1 import StatusCause

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
NAMESPACES = ("", "namespaces")


class NamespaceLifecycle(Plugin):
    """Runs as a mutation, so that no other plugin works for a namespace that is not there."""

    name = "NamespaceLifecycle"

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse creation in a missing (404) or terminating (403) namespace, and deletion of the namespaces that always exist."""
        if request.operation == DELETE and request.group_plural == NAMESPACES and request.name in IMMORTAL:
            raise forbidden("namespaces", "", request.name, "this namespace may not be deleted")
        if request.operation != CREATE or not request.namespace or request.group_plural == NAMESPACES:
            return
        if request.resource.plural == "localsubjectaccessreviews":
            return
        namespace = await world.get(Namespace, request.namespace)
        if namespace is None:
            raise not_found("namespaces", "", request.namespace)
        if namespace.status.phase == "Terminating" and not request.subresource:
            raise terminating(request)


def terminating(request: AdmissionRequest) -> Exception:
    """The 403 for creation in a namespace that is being deleted, with the cause NamespaceTerminating that clients look for."""
    cause = f"unable to create new content in namespace {request.namespace} because it is being terminated"
    error = forbidden(request.resource.plural, request.resource.group, request.shown_name, cause)
    assert error.status.details is not None
    message = f"namespace {request.namespace} is being terminated"
    error.status.details.causes = [StatusCause(reason="NamespaceTerminating", message=message, field="metadata.namespace")]
    return error
