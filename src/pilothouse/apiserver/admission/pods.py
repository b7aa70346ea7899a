"""What the plugins that look after pods share."""

from __future__ import annotations

from pilothouse.apiserver.admission.plugin import AdmissionRequest
from pilothouse.machinery.errors import StatusError, forbidden

PODS = ("", "pods")
MIRROR = "kubernetes.io/config.mirror"


def is_pod(request: AdmissionRequest, *operations: str) -> bool:
    """Whether the request writes a pod itself (not a subresource) by one of `operations`."""
    return request.group_plural == PODS and not request.subresource and request.operation in operations


def refused(request: AdmissionRequest, cause: str) -> StatusError:
    """403 in upstream's words for the object of the request."""
    return forbidden(request.resource.plural, request.resource.group, request.shown_name, cause)
