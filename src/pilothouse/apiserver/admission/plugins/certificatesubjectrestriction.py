"""CertificateSubjectRestriction: nobody is made an administrator by a certificate of the cluster's signer for clients."""

from __future__ import annotations

import base64

from pilothouse.api import wellknown
from pilothouse.api.types.certificates_v1 import CertificateSigningRequest
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, Plugin, World, refused
from pilothouse.apiserver.auth.user import MASTERS

REQUESTS = ("certificates.k8s.io", "certificatesigningrequests")
CLIENTS = wellknown.KUBE_APISERVER_CLIENT


class CertificateSubjectRestriction(Plugin):
    """No certificate for clients names the group of the administrators."""

    name = "CertificateSubjectRestriction"
    kinds = frozenset({REQUESTS})

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse a new request to `kubernetes.io/kube-apiserver-client` whose subject has the organization `system:masters`."""
        if request.operation != CREATE or request.subresource:
            return
        asked: CertificateSigningRequest = request.object
        if asked.spec.signerName != CLIENTS:
            return
        if MASTERS in groups_of(asked.spec.request or ""):
            raise refused(request, f"use of {CLIENTS} signer with {MASTERS} group is not allowed")


def groups_of(request: str) -> list[str]:
    """The organizations that a request (base64 of PEM) names: to the API server they are groups. What cannot be read names none, and
    its signer says so."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        subject = x509.load_pem_x509_csr(base64.b64decode(request)).subject
    except ValueError:
        return []
    return [str(attribute.value) for attribute in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
