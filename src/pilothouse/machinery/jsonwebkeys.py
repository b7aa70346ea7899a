"""Keys of JSON Web Tokens: the algorithm that a key is for, and the id that Kubernetes gives it.

`cryptography` is imported at first use, which keeps it out of the start.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

ALGORITHM = "RS256"
"""Of RSA keys."""
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def algorithm_of(key: Any) -> str:
    """The algorithm of a public key's signatures. ValueError for a key that is neither RSA nor of one of the three curves."""
    curve = getattr(key, "curve", None)
    if curve is None:
        return ALGORITHM
    try:
        return CURVES[curve.name]
    except KeyError as error:
        raise ValueError("unknown private key curve, must be 256, 384, or 521") from error


def key_id(key: Any) -> str:
    """Upstream's id of a public key: the SHA-256 of its DER form."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return base64url(hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest())


def base64url(data: bytes) -> str:
    """Base64 for URLs without padding, as JWTs use it (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
