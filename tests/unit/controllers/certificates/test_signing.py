"""Requests for certificates: what is signed and how long, what is refused and why, and when requests go."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pilothouse.api.types.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from pilothouse.cluster import certificates
from pilothouse.controllers.builtin.certificatecleaner import CertificateCleaner
from pilothouse.controllers.certificates import signing
from pilothouse.controllers.framework.actions import Delete, RequeueAfter
from pilothouse.controllers.framework.settings import Settings
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import EPOCH, VirtualClock
from pilothouse.machinery import codec
from pilothouse.testing.controllers import RegistryBench, planned

CLIENT_USES = ("client auth", "digital signature", "key encipherment")
SERVER_USES = ("server auth", "digital signature", "key encipherment")
KEY = ec.generate_private_key(ec.SECP256R1())
NAMES = {"dns": x509.DNSName("n"), "ip": x509.IPAddress(ipaddress.ip_address("10.0.0.1")), "uri": x509.UniformResourceIdentifier("x:y")}


def request(common_name: str = "jane", organization: str = "dev", names: Sequence[str] = ()) -> x509.CertificateSigningRequest:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([NAMES[one] for one in names]), critical=False)
    return builder.sign(KEY, hashes.SHA256())


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    certificates.make_leaves(folder, [], VirtualClock(), Entropy(1))
    return folder


NODE = ("system:node:n", "system:nodes")


@pytest.mark.parametrize(
    ("signer", "asked", "usages", "expected"),
    [
        (signing.CLIENT, request(), CLIENT_USES, ""),
        (signing.CLIENT, request(), ("client auth",), ""),
        (signing.CLIENT, request(), SERVER_USES, "invalid usage for client certificate: server auth"),
        (signing.CLIENT, request(), ("digital signature",), "missing required usage for client certificate: client auth"),
        (signing.KUBELET_CLIENT, request(*NODE), CLIENT_USES, ""),
        (signing.KUBELET_CLIENT, request(*NODE), CLIENT_USES[:2], ""),
        (signing.KUBELET_CLIENT, request(*NODE), SERVER_USES, "usages did not match [client auth digital signature]"),
        (signing.KUBELET_CLIENT, request("system:node:n"), CLIENT_USES, "subject organization is not system:nodes"),
        (signing.KUBELET_CLIENT, request("n", NODE[1]), CLIENT_USES, "subject common name does not begin with system:node:"),
        (signing.KUBELET_CLIENT, request(*NODE, ["dns"]), CLIENT_USES, "DNS subjectAltNames are not allowed"),
        (signing.KUBELET_SERVING, request(*NODE, ["dns", "ip"]), SERVER_USES, ""),
        (signing.KUBELET_SERVING, request(*NODE), SERVER_USES, "DNS or IP subjectAltName is required"),
        (signing.KUBELET_SERVING, request(*NODE, ["ip", "uri"]), SERVER_USES, "URI subjectAltNames are not allowed"),
        (signing.LEGACY, request(names=["uri"]), ("code signing",), ""),
    ],
)
def test_what_a_signer_accepts(signer: str, asked: x509.CertificateSigningRequest, usages: Sequence[str], expected: str) -> None:
    assert signing.objection(signer, asked, usages) == expected


def test_a_certificate_says_what_was_asked(pki: Path) -> None:
    authority = signing.load_authority(str(pki / "ca.crt"), str(pki / "ca.key"))
    made = signing.sign(authority, request(names=["dns"]), ("digital signature", "server auth"), timedelta(days=1), EPOCH, 7)
    found = x509.load_pem_x509_certificate(made.encode())
    found.verify_directly_issued_by(authority.certificate)
    assert found.subject == request().subject
    assert found.serial_number == 7
    assert found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == ["n"]
    assert [*found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value] == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, False, False)
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    ("life", "begins", "ends"),
    [
        pytest.param(timedelta(days=1), timedelta(minutes=-5), timedelta(days=1, minutes=-5), id="dated back, for clocks that differ"),
        pytest.param(timedelta(minutes=10), timedelta(0), timedelta(minutes=10), id="a short one is not"),
        pytest.param(timedelta(days=9999), timedelta(minutes=-5), timedelta(days=3650, minutes=-5), id="no longer than its authority"),
    ],
)
def test_how_long_a_certificate_lasts(pki: Path, life: timedelta, begins: timedelta, ends: timedelta) -> None:
    authority = signing.load_authority(str(pki / "ca.crt"), str(pki / "ca.key"))
    found = x509.load_pem_x509_certificate(signing.sign(authority, request(), CLIENT_USES, life, EPOCH, 1).encode())
    assert (found.not_valid_before_utc - EPOCH, found.not_valid_after_utc - EPOCH) == (begins, ends)


def csr(signer: str = signing.CLIENT, usages: Sequence[str] = CLIENT_USES, pem: bytes = b"", **spec: Any) -> CertificateSigningRequest:
    asked = base64.b64encode(pem or request().public_bytes(serialization.Encoding.PEM)).decode()
    data = {"metadata": {"name": "jane"}, "spec": {"request": asked, "signerName": signer, "usages": [*usages]} | spec}
    return codec.from_dict(data, CertificateSigningRequest)


def approved(one: CertificateSigningRequest) -> None:
    one.status.conditions.append(CertificateSigningRequestCondition(type="Approved", status="True", reason="KubectlApprove"))


async def signed(pki: Path, one: CertificateSigningRequest) -> CertificateSigningRequest:
    """What became of it once it was approved."""
    settings = Settings(cluster_signing_cert_file=str(pki / "ca.crt"), cluster_signing_key_file=str(pki / "ca.key"))
    async with RegistryBench("certificatesigningrequest-signing-controller", settings=settings) as bench:
        await bench.client.create(one)
        await bench.advance(1)
        [before] = await bench.all(CertificateSigningRequest)
        assert not before.status.certificate, "nobody has approved it yet"
        await bench.edit(CertificateSigningRequest, "jane", approved, subresource="approval")
        await bench.advance(1)
        [after] = await bench.all(CertificateSigningRequest)
        return after


async def test_what_was_approved_is_signed_for_as_long_as_was_asked(pki: Path) -> None:
    after = await signed(pki, csr(expirationSeconds=3600))
    found = x509.load_pem_x509_certificate(base64.b64decode(after.status.certificate))
    assert found.not_valid_after_utc - found.not_valid_before_utc == timedelta(hours=1)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (csr(usages=SERVER_USES), "invalid usage for client certificate: server auth"),
        (csr(pem=b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"), 'unable to parse csr "jane"'),
    ],
)
async def test_what_a_signer_refuses_has_failed(pki: Path, one: CertificateSigningRequest, message: str) -> None:
    after = await signed(pki, one)
    assert not after.status.certificate
    failed = after.status.conditions[-1]
    assert (failed.type, failed.status, failed.reason) == ("Failed", "True", "SignerValidationFailure")
    assert failed.message.startswith(message)


async def test_requests_to_other_signers_are_left_to_them(pki: Path) -> None:
    after = await signed(pki, csr("example.com/mine"))
    assert (after.status.certificate, [one.type for one in after.status.conditions]) == ("", ["Approved"])


def aged(hours: float, *conditions: str, issued: bool = False) -> CertificateSigningRequest:
    one = csr()
    then = EPOCH - timedelta(hours=hours)
    stamp = then.strftime("%Y-%m-%dT%H:%M:%SZ")
    one.metadata.creationTimestamp = stamp
    one.status.conditions = [CertificateSigningRequestCondition(type=type, status="True", lastUpdateTime=stamp) for type in conditions]
    one.status.certificate = "x" if issued else ""
    return one


@pytest.mark.parametrize(
    ("one", "left_seconds"),
    [
        pytest.param(aged(23), 3600, id="not decided yet"),
        pytest.param(aged(25), 0, id="never decided"),
        pytest.param(aged(2, "Approved"), 22 * 3600, id="approved and not yet signed"),
        pytest.param(aged(0.5, "Approved", issued=True), 1800, id="issued"),
        pytest.param(aged(2, "Approved", issued=True), 0, id="issued long ago"),
        pytest.param(aged(2, "Denied"), 0, id="denied"),
        pytest.param(aged(2, "Approved", "Failed"), 0, id="failed"),
    ],
)
def test_requests_go_when_nobody_needs_them(one: CertificateSigningRequest, left_seconds: float) -> None:
    [action] = planned(CertificateCleaner(), one)
    assert action == (RequeueAfter(left_seconds) if left_seconds else Delete(one))
