"""Trust anchors in PEM for ClusterTrustBundles, read as Go's encoding/pem and crypto/x509 do."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from pilothouse.machinery.problems import Problems

LARGEST_BUNDLE_BYTES = 1 << 20
LINE_LENGTH = 64
BLOCK = re.compile(
    r"^-----BEGIN (?P<type>[^\n]*?)-----[ \t\r]*\n"
    r"(?P<headers>(?:[^\n:]+:[^\n]*\n)*)(?P<body>.*?)\n?-----END (?P=type)-----[ \t\r]*(?:\n|$)",
    re.DOTALL | re.MULTILINE,
)
OMITTED = "<value omitted>"


@dataclass(frozen=True, slots=True)
class Block:
    """A PEM block; `der` is what it holds."""

    type: str
    has_headers: bool
    der: bytes


def blocks(text: str) -> list[Block]:
    """PEM blocks of a text; other text, and blocks with invalid base64, are skipped."""
    pem_blocks = []
    for match in BLOCK.finditer(text):
        try:
            der = base64.b64decode("".join(match["body"].split()), validate=True)
        except (binascii.Error, ValueError):
            continue
        pem_blocks.append(Block(match["type"], bool(match["headers"]), der))
    return pem_blocks


def certificate_text(der: bytes) -> str:
    """A certificate as a PEM block, in lines of 64 characters as Go writes them."""
    body = base64.b64encode(der).decode()
    lines = "".join(body[start : start + LINE_LENGTH] + "\n" for start in range(0, len(body), LINE_LENGTH))
    return f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n"


def validate_trust_bundle(text: str, problems: Problems) -> None:
    """Every block is the certificate of a CA, and none is there twice."""
    if len(text.encode()) > LARGEST_BUNDLE_BYTES:
        problems.too_long(LARGEST_BUNDLE_BYTES)
        return
    places: dict[bytes, list[int]] = {}
    wrong = False
    for index, block in enumerate(blocks(text)):
        if message := _fault(block):
            problems.invalid(OMITTED, f"entry {index} {message}")
            wrong = True
        else:
            places.setdefault(block.der, []).append(index)
    if wrong:
        return
    if not places:
        problems.invalid(OMITTED, "at least one trust anchor must be provided")
    for indices in places.values():
        if len(indices) > 1:
            problems.invalid(OMITTED, f"duplicate trust anchor (indices [{' '.join(map(str, indices))}])")


def _fault(block: Block) -> str:
    """What keeps a block from being a trust anchor; "" when nothing does."""
    from cryptography import x509  # late: heavy to import, and needed for this kind alone

    if block.type != "CERTIFICATE":
        return f"has bad block type: {block.type}"
    if block.has_headers:
        return "has PEM block headers"
    try:
        extensions = x509.load_der_x509_certificate(block.der).extensions
    except ValueError:
        return "does not parse as X.509"
    try:
        is_ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    return "" if is_ca else "does not have the CA bit set"
