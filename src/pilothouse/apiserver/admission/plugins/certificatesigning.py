"""CertificateSigning: who writes a certificate, or a signer's verdict, into a request must be allowed to sign for its signer."""

from __future__ import annotations

from pilothouse.apiserver.admission.plugin import UPDATE, AdmissionRequest, Plugin, World, refused
from pilothouse.apiserver.admission.signers import REQUESTS, may


class CertificateSigning(Plugin):
    """Signers of certificate requests must be allowed to `sign` for the signer."""

    name = "CertificateSigning"
    kinds = frozenset({REQUESTS})

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse a new certificate or condition in `status` by a user who lacks the verb `sign` on the request's signer."""
        if request.operation != UPDATE or request.subresource != "status":
            return
        new, old = request.object.status, request.old_object.status
        if (new.certificate, new.conditions) == (old.certificate, old.conditions):
            return
        signer: str = request.old_object.spec.signerName
        if not may(request, world, "sign", signer):
            raise refused(request, f'user not permitted to sign requests with signerName "{signer}"')
