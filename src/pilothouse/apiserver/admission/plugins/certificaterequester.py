"""CertificateRequester: a CertificateSigningRequest says who made it, whatever its maker wrote there.

Upstream does this where the object is prepared; here admission is the place that knows the user.
"""

from __future__ import annotations

from pilothouse.api.types.certificates_v1 import CertificateSigningRequest
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, Plugin, World

REQUESTS = ("certificates.k8s.io", "certificatesigningrequests")


class CertificateRequester(Plugin):
    """Sets the requesting user in the spec of a new CertificateSigningRequest."""

    name = "CertificateRequester"
    kinds = frozenset({REQUESTS})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Write the requesting user's name, uid, groups and extra into the spec of a new CertificateSigningRequest."""
        if request.operation != CREATE or request.subresource:
            return
        asked: CertificateSigningRequest = request.object
        user = request.user
        asked.spec.username, asked.spec.uid, asked.spec.groups = user.name, user.uid, [*user.groups]
        asked.spec.extra = {key: [*values] for key, values in user.extra.items()}
