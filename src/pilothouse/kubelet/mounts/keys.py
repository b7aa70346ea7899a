"""Private keys and certificate requests for Pod certificates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pilothouse.kubelet.mounts.port import VolumeError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes


def new_key(key_type: str) -> tuple[str, bytes]:
    """A new private key as PKCS#8 in PEM, and an empty PKCS#10 request signed with it, in DER. Slow for RSA: call it in a thread.

    `key_type` is one of a podCertificate projection's. Raises VolumeError for another.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    kinds: dict[str, tuple[Callable[[], CertificateIssuerPrivateKeyTypes], hashes.HashAlgorithm | None]] = {
        "RSA3072": (lambda: rsa.generate_private_key(65537, 3072), hashes.SHA256()),
        "RSA4096": (lambda: rsa.generate_private_key(65537, 4096), hashes.SHA256()),
        "ECDSAP256": (lambda: ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
        "ECDSAP384": (lambda: ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
        "ECDSAP521": (lambda: ec.generate_private_key(ec.SECP521R1()), hashes.SHA512()),
        "ED25519": (ed25519.Ed25519PrivateKey.generate, None),
    }
    if key_type not in kinds:
        raise VolumeError(f'unknown key type "{key_type}"')
    make, digest = kinds[key_type]
    key = make()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, digest)  # type: ignore[arg-type]
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    text = key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
    return text, request.public_bytes(serialization.Encoding.DER)
