"""Who may do what with the requests of a signer: RBAC's `signers`, by the signer's name or by its domain."""

from __future__ import annotations

from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.auth.authorizer import Attributes

GROUP = "certificates.k8s.io"
REQUESTS = (GROUP, "certificatesigningrequests")


def may(request: AdmissionRequest, world: World, verb: str, signer: str) -> bool:
    """Whether the request's user has `verb` on the signer, by its full name or by `<domain>/*`."""
    names = (signer, f"{signer.partition('/')[0]}/*")
    return any(world.may(request.user, Attributes(verb, GROUP, "*", resource="signers", name=name)) for name in names)
