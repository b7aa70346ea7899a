"""Warnings about the pair of a TLS Secret."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pilothouse.api.core.warnings.keypairs import pair_error

FIRST, SECOND = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NAME = x509.Name([])
CERTIFICATE = (
    x509.CertificateBuilder(NAME, NAME, FIRST.public_key(), 1, DAY, DAY + datetime.timedelta(days=1))
    .sign(FIRST, hashes.SHA256())
    .public_bytes(Encoding.PEM)
)
KEY, OTHER_KEY = (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in (FIRST, SECOND))
BROKEN = b"-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        pytest.param(CERTIFICATE, KEY, "", id="a pair"),
        pytest.param(b"x", KEY, "tls: failed to find any PEM data in certificate input", id="no certificate"),
        pytest.param(CERTIFICATE, b"", "tls: failed to find any PEM data in key input", id="no key"),
        pytest.param(
            KEY,
            KEY,
            'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: '
            "[PRIVATE KEY]",
            id="a key for the certificate",
        ),
        pytest.param(
            CERTIFICATE,
            CERTIFICATE,
            "tls: found a certificate rather than a key in the PEM for the private key",
            id="a certificate for the key",
        ),
        pytest.param(CERTIFICATE, BROKEN, "tls: failed to parse private key", id="a broken key"),
        pytest.param(CERTIFICATE, OTHER_KEY, "tls: private key does not match public key", id="another's key"),
    ],
)
def test_pair_error(certificate: bytes, key: bytes, expected: str) -> None:
    assert pair_error(certificate, key) == expected
