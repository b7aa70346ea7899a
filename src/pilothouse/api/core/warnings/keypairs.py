"""Whether a certificate and a private key match, with the errors of Go's crypto/tls."""

from __future__ import annotations

import re
import warnings

BLOCK = re.compile(rb"-----BEGIN ([^\n-]*)-----.*?-----END \1-----", re.DOTALL)
CERTIFICATE = b"CERTIFICATE"


def pair_error(certificate: bytes, key: bytes) -> str:
    """Error of the pair, both in PEM; "" when they match."""
    certificates, skipped = _blocks(certificate, lambda kind: kind == CERTIFICATE)
    if not certificates:
        return _missing("certificate", "CERTIFICATE", skipped)
    keys, skipped = _blocks(key, lambda kind: kind == b"PRIVATE KEY" or kind.endswith(b" PRIVATE KEY"))
    if not keys:
        if skipped == ["CERTIFICATE"]:
            return "tls: found a certificate rather than a key in the PEM for the private key"
        return _missing("key", 'PEM block with type ending in "PRIVATE KEY"', skipped, is_quoted=False)
    return _mismatch(certificates[0], keys[0])


def _blocks(text: bytes, wanted: object) -> tuple[list[bytes], list[str]]:
    """The PEM blocks of the wanted types, and the types of the others."""
    assert callable(wanted)
    matches = list(BLOCK.finditer(text))
    return [block[0] for block in matches if wanted(block[1])], [
        block[1].decode("utf-8", "replace") for block in matches if not wanted(block[1])
    ]


def _missing(what: str, wanted: str, skipped: list[str], *, is_quoted: bool = True) -> str:
    if not skipped:
        return f"tls: failed to find any PEM data in {what} input"
    name = f'"{wanted}" PEM block' if is_quoted else wanted
    return f"tls: failed to find {name} in {what} input after skipping PEM blocks of the following types: [{' '.join(skipped)}]"


def _mismatch(certificate: bytes, key: bytes) -> str:
    """Secrets with certificates are written seldom: what reads them is loaded only then."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            public = x509.load_pem_x509_certificate(certificate).public_key()
    except ValueError:
        return "x509: malformed certificate"
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        return "tls: failed to parse private key"
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if type(public).__name__.removesuffix("PublicKey") != type(private).__name__.removesuffix("PrivateKey"):
        return "tls: private key type does not match public key type"
    return "" if public.public_bytes(*form) == private.public_key().public_bytes(*form) else "tls: private key does not match public key"
