"""CA bundles of webhook client configurations, read as client-go does.

Upstream: client-go transport (rootCertPool), apiserver pkg/util/webhook (ValidateCABundle).
"""

from __future__ import annotations

import base64

from pilothouse.api.certificates.trustanchors import blocks

WORDS = "unable to load root certificates: "


def bundle_problem(bundle: str) -> str:
    """Upstream's error for a caBundle (base64 of PEM); "" when it has a certificate."""
    from cryptography import x509  # late: heavy to import, and needed for few objects

    pem_blocks = blocks(base64.b64decode(bundle).decode(errors="replace"))
    wrong = ""
    for block in pem_blocks:
        if block.type != "CERTIFICATE":
            continue
        try:
            x509.load_der_x509_certificate(block.der)
        except ValueError as error:
            wrong = wrong or f"failed to parse certificate: {error}"
        else:
            return ""
    if not pem_blocks:
        return f"{WORDS}unable to parse bytes as PEM block"
    return WORDS + (wrong or "no valid certificate authority data seen")
