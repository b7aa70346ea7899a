"""Deletes CertificateSigningRequests that are old or whose certificate has expired."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.certificates_v1 import CertificateSigningRequest
from pilothouse.controllers.framework.actions import Action, Delete, RequeueAfter
from pilothouse.controllers.framework.controller import DELETE, READ, Controller, Rule
from pilothouse.controllers.framework.world import World

DECIDED_SECONDS = 3600.0
"""How long one that was issued, denied or has failed is left, for whoever asked to see it."""
PENDING_SECONDS = 24 * 3600.0
"""How long one that nobody has decided, or signed, is left."""


class CertificateCleaner(Controller):
    """Deletes them an hour after they were issued, denied or failed; a day after they were made when that has not come."""

    name = "certificatesigningrequest-cleaner-controller"
    account = "certificate-controller"
    reconciles = CertificateSigningRequest
    workers = 1
    rules = (Rule("certificates.k8s.io", ("certificatesigningrequests",), READ + DELETE),)

    def plan(self, csr: CertificateSigningRequest, world: World) -> Iterator[Action]:
        """Delete the request when it has expired; else plan again when it will."""
        left = min(_ends(csr, world))
        yield RequeueAfter(left) if left > 0 else Delete(csr)


def _ends(csr: CertificateSigningRequest, world: World) -> Iterator[float]:
    """Seconds until each of the reasons to delete it holds."""
    issued = bool(csr.status.certificate)
    if not issued:
        yield PENDING_SECONDS - world.seconds_since(csr.metadata.creationTimestamp)
    for condition in csr.status.conditions:
        if condition.type in ("Denied", "Failed") or (condition.type == "Approved" and issued):
            yield DECIDED_SECONDS - world.seconds_since(condition.lastUpdateTime or csr.metadata.creationTimestamp)
    if issued and not csr.status.conditions:
        yield DECIDED_SECONDS - world.seconds_since(csr.metadata.creationTimestamp)
