"""CertificateSigningRequests that were approved: the cluster's own signers sign them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from pilothouse.api.types.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from pilothouse.controllers.framework.actions import Action, UpdateStatus
from pilothouse.controllers.framework.controller import READ, UPDATE, Controller, Rule
from pilothouse.controllers.framework.runner import Context
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec

OWN = "kubernetes.io/"
SHORTEST_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate as PEM, or why there is none."""

    certificate: str = ""
    objection: str = ""


def has(csr: CertificateSigningRequest, *types: str) -> bool:
    """Whether the request has a condition of one of these types."""
    return any(condition.type in types for condition in csr.status.conditions)


class CertificateSigningController(Controller):
    """Signs for kube-apiserver-client, kube-apiserver-client-kubelet, kubelet-serving and legacy-unknown.

    - Only what is approved, neither denied nor failed; for as long as was asked, at most the cluster's own term.
    - What a signer does not accept is told by the condition Failed.
    - Without the files of an authority (--cluster-signing-cert-file) nothing is signed.
    """

    name = "certificatesigningrequest-signing-controller"
    account = "certificate-controller"
    reconciles = CertificateSigningRequest
    rules = (
        Rule("certificates.k8s.io", ("certificatesigningrequests",), READ),
        Rule("certificates.k8s.io", ("certificatesigningrequests/status",), UPDATE),
        Rule("certificates.k8s.io", ("signers",), ("sign",)),
    )

    async def observe(self, csr: CertificateSigningRequest, context: Context) -> Signed | None:
        """Sign an approved request that has no certificate yet. None when there is nothing to do or the signer is not ours."""
        files = context.settings.cluster_signing_cert_file, context.settings.cluster_signing_key_file
        waits = has(csr, "Approved") and not has(csr, "Denied", "Failed") and not csr.status.certificate
        if not waits or not all(files) or not csr.spec.signerName.startswith(OWN):
            return None
        from pilothouse.controllers.certificates import signing

        if csr.spec.signerName not in signing.SIGNERS:
            return None
        try:
            request = signing.parse(base64.b64decode(csr.spec.request or ""))
        except ValueError as error:
            return Signed(objection=f'unable to parse csr "{csr.metadata.name}": {error}')
        problem = signing.objection(csr.spec.signerName, request, csr.spec.usages)
        if problem:
            return Signed(objection=problem)
        longest = context.settings.cluster_signing_duration_seconds
        asked = longest if csr.spec.expirationSeconds is None else max(csr.spec.expirationSeconds, SHORTEST_SECONDS)
        serial = context.entropy.random.getrandbits(127) | 1
        authority = signing.load_authority(*files)
        life = timedelta(seconds=min(asked, longest))
        return Signed(signing.sign(authority, request, csr.spec.usages, life, context.clock.now(), serial))

    def plan(self, csr: CertificateSigningRequest, world: World) -> Iterator[Action]:
        """Write the certificate, or the condition Failed with the reason, into the request's status."""
        signed: Signed | None = world.observed
        if signed is None:
            return
        changed = codec.clone(csr)
        if signed.objection:
            now = world.now_text
            failed = CertificateSigningRequestCondition(type="Failed", status="True", reason="SignerValidationFailure")
            failed.message, failed.lastUpdateTime, failed.lastTransitionTime = signed.objection, now, now
            changed.status.conditions.append(failed)
        else:
            changed.status.certificate = base64.b64encode(signed.certificate.encode()).decode()
        yield UpdateStatus(changed)
