"""The keys of ServiceAccount tokens: one to sign with, all that are believed.

Read from PEM files at first use; `cryptography` is imported then, which keeps it out of the start.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

ALGORITHM = "RS256"


class ServiceAccountKeys:
    """`signing_file` holds a private RSA key; its public half is believed, and those in `verification_files`."""

    def __init__(self, signing_file: str | Path, verification_files: Sequence[str | Path] = ()) -> None:
        self._signing_file = Path(signing_file)
        self._verification_files = tuple(Path(path) for path in verification_files)

    @cached_property
    def private(self) -> Any:
        """The private key that signs tokens. Reads its file on first use; raises OSError or ValueError when that fails."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        return load_pem_private_key(self._signing_file.read_bytes(), None)

    @cached_property
    def public(self) -> dict[str, Any]:
        """The believed keys by their ids; the one that signs first."""
        keys = [self.private.public_key(), *(public_key_in(file.read_bytes()) for file in self._verification_files)]
        return {key_id(key): key for key in keys}

    @cached_property
    def id(self) -> str:
        """The id of the key that signs."""
        return next(iter(self.public))

    def jwks(self) -> dict[str, Any]:
        """The believed keys as a JSON Web Key Set."""
        return {"keys": [jwk(name, key) for name, key in self.public.items()]}


def public_key_in(pem: bytes) -> Any:
    """The public key of a PEM text: itself, or that of a certificate or of a private key, as upstream takes them. ValueError for none."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if b"-----BEGIN CERTIFICATE-----" in pem:
        return load_pem_x509_certificate(pem).public_key()
    if b"PRIVATE KEY-----" in pem:
        return load_pem_private_key(pem, None).public_key()
    return load_pem_public_key(pem)


def key_id(key: Any) -> str:
    """Upstream's id of a public key: the SHA-256 of its DER form."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return base64url(hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest())


def jwk(name: str, key: Any) -> dict[str, str]:
    """A public RSA key as a JSON Web Key (RFC 7517) with key id `name`."""
    numbers = key.public_numbers()
    return {
        "use": "sig",
        "kty": "RSA",
        "kid": name,
        "alg": ALGORITHM,
        "n": base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
        "e": base64url(numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")),
    }


def base64url(data: bytes) -> str:
    """Base64 for URLs without padding, as JWTs use it (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
