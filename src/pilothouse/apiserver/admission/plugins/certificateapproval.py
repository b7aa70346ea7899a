"""CertificateApproval: who approves or denies a certificate request must be allowed to for its signer, not only write to `approval`."""

from __future__ import annotations

from pilothouse.apiserver.admission.plugin import UPDATE, AdmissionRequest, Plugin, World, refused
from pilothouse.apiserver.admission.signers import REQUESTS, may


class CertificateApproval(Plugin):
    """Approvers of certificate requests must be allowed to `approve` for the signer."""

    name = "CertificateApproval"
    kinds = frozenset({REQUESTS})

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse an update of `approval` by a user who lacks the verb `approve` on the request's signer."""
        if request.operation != UPDATE or request.subresource != "approval":
            return
        signer: str = request.old_object.spec.signerName
        if not may(request, world, "approve", signer):
            raise refused(request, f'user not permitted to approve requests with signerName "{signer}"')
