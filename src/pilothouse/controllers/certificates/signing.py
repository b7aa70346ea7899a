"""Signing requests for certificates: what each of the cluster's own signers accepts, and the certificate that it makes of it.

Imported by who signs, when there is something to sign: the cryptography behind it takes time to load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from pilothouse.api import wellknown

CLIENT, KUBELET_CLIENT = wellknown.KUBE_APISERVER_CLIENT, wellknown.KUBE_APISERVER_CLIENT_KUBELET
KUBELET_SERVING, LEGACY = wellknown.KUBELET_SERVING, "kubernetes.io/legacy-unknown"
SIGNERS = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY)
NODE, NODES = "system:node:", "system:nodes"
BACKDATE = timedelta(minutes=5)
SHORT = timedelta(hours=8)
"""What is to last less than this is not dated back, or little would be left of it."""
KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
EXTENDED = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": ObjectIdentifier("2.16.840.1.113730.4.1"),
}


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: certificate and key."""

    certificate: x509.Certificate
    key: Any


def load_authority(certificate_file: str, key_file: str) -> Authority:
    """Read a certificate and its unencrypted key from two PEM files. OSError or ValueError when that fails."""
    certificate = x509.load_pem_x509_certificate(Path(certificate_file).read_bytes())
    return Authority(certificate, serialization.load_pem_private_key(Path(key_file).read_bytes(), password=None))


def parse(pem: bytes) -> x509.CertificateSigningRequest:
    """ValueError for what is no request, or is not signed by the key that it names."""
    request = x509.load_pem_x509_csr(pem)
    if not request.is_signature_valid:
        raise ValueError("the signature of the certificate request does not fit its key")
    return request


def objection(signer: str, request: x509.CertificateSigningRequest, usages: Sequence[str]) -> str:
    """Why the signer does not sign it, in upstream's words; empty when it does."""
    if signer == CLIENT:
        return _client_usages(usages)
    if signer == KUBELET_CLIENT:
        return _of_node(request, allow_names=False) or _exactly(usages, "client auth")
    if signer == KUBELET_SERVING:
        return _of_node(request, allow_names=True) or _exactly(usages, "server auth")
    return ""


def _client_usages(usages: Sequence[str]) -> str:
    for usage in usages:
        if usage not in ("digital signature", "key encipherment", "client auth"):
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def _exactly(usages: Sequence[str], purpose: str) -> str:
    wanted = {"digital signature", purpose}
    if {*usages} - {"key encipherment"} == wanted:
        return ""
    return f"usages did not match [{' '.join(sorted(wanted))}]"


def _of_node(request: x509.CertificateSigningRequest, *, allow_names: bool) -> str:
    """The subject is a node's; its names and addresses are for servers only."""
    organizations = [attribute.value for attribute in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    if organizations != [NODES]:
        return "subject organization is not system:nodes"
    names = _alternative_names(request)
    served = [name for name in names if isinstance(name, (x509.DNSName, x509.IPAddress))]
    if allow_names and not served:
        return "DNS or IP subjectAltName is required"
    for kind, word in ((x509.DNSName, "DNS"), (x509.IPAddress, "IP"), (x509.RFC822Name, "Email"), (x509.UniformResourceIdentifier, "URI")):
        if any(isinstance(name, kind) for name in names) and not (allow_names and word in ("DNS", "IP")):
            return f"{word} subjectAltNames are not allowed"
    common = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return "" if common and str(common[0].value).startswith(NODE) else f"subject common name does not begin with {NODE}"


def _alternative_names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        return [*request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value]
    except x509.ExtensionNotFound:
        return []


def sign(
    authority: Authority, request: x509.CertificateSigningRequest, usages: Sequence[str], life: timedelta, now: datetime, serial: int
) -> str:
    """The certificate as PEM; it does not outlive its authority."""
    begin, end = (now, now + life) if life < SHORT else (now - BACKDATE, now + life - BACKDATE)
    issuer = authority.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(issuer.subject)
        .public_key(request.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(min(end, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    key_usages = {KEY_USAGES[usage] for usage in usages if usage in KEY_USAGES}
    if key_usages:
        builder = builder.add_extension(x509.KeyUsage(**{name: name in key_usages for name in KEY_USAGES.values()}), critical=True)
    extended = list(dict.fromkeys(EXTENDED[usage] for usage in usages if usage in EXTENDED))
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
    names = _alternative_names(request)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
