"""What the plugins that look after pods share."""

from __future__ import annotations

from pilothouse.apiserver.admission.plugin import AdmissionRequest
from pilothouse.machinery.errors import StatusError, forbidden


def refused(request: AdmissionRequest, cause: str) -> StatusError:
    """403 in upstream's words for the object of the request."""
    return forbidden(request.resource.plural, request.resource.group, request.shown_name, cause)
