"""PodCertificateRequest: a kubelet's request for a certificate of a pod. No signer acts on it here yet."""

from __future__ import annotations

import base64
import binascii

from pilothouse.api.core.columns import labels_text
from pilothouse.api.core.validation.conditions import validate_conditions
from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.signers import (
    LONGEST_KUBERNETES_SECONDS,
    LONGEST_SECONDS,
    SHORTEST_SECONDS,
    validate_signer_name,
    validate_user_annotations,
)
from pilothouse.api.internal import internal
from pilothouse.api.types.certificates_v1 import PodCertificateRequest, PodCertificateRequestStatus
from pilothouse.machinery import names
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

LONGEST_UID = 128
DEFAULT_SECONDS = 86400
LARGEST_REQUEST_BYTES = 10 * 1024
FINAL = ("Issued", "Denied", "Failed")
RSA_BITS = (3072, 4096)


def _state(request: PodCertificateRequest) -> str:
    return next((condition.type for condition in reversed(request.status.conditions) if condition.type in FINAL), "Pending")


PODCERTIFICATEREQUEST = Resource(
    PodCertificateRequest,
    plural="podcertificaterequests",
    subresources=(STATUS,),
    columns=(
        Column("PodName", lambda request: request.spec.podName),
        Column("ServiceAccountName", lambda request: request.spec.serviceAccountName),
        Column("NodeName", lambda request: request.spec.nodeName),
        Column("SignerName", lambda request: request.spec.signerName),
        Column("State", _state),
        Column("UnverifiedUserAnnotations", lambda request: labels_text(request.spec.unverifiedUserAnnotations)),
    ),
    selectable_fields={
        "spec.signerName": lambda request: request.spec.signerName,
        "spec.podName": lambda request: request.spec.podName,
        "spec.nodeName": lambda request: request.spec.nodeName,
    },
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(allow_unconditional_update=False, generation=None, status_keeps=METADATA),
)


@PODCERTIFICATEREQUEST.default
def default(request: PodCertificateRequest) -> None:
    """Default maxExpirationSeconds of one day. Upstream: SetObjectDefaults_PodCertificateRequest."""
    if request.spec.maxExpirationSeconds is None:
        request.spec.maxExpirationSeconds = DEFAULT_SECONDS


@PODCERTIFICATEREQUEST.validate
def validate(request: PodCertificateRequest, problems: Problems) -> None:
    """Rules of a new request: signer, names and uids, duration, keys. Upstream: ValidatePodCertificateRequestCreate."""
    if request.metadata.resourceVersion:  # an update may change nothing of the spec
        return
    spec, here = request.spec, problems.at("spec")
    validate_signer_name(spec.signerName, here.at("signerName"))
    validate_user_annotations(spec.unverifiedUserAnnotations, here.at("unverifiedUserAnnotations"))
    for field in ("podName", "serviceAccountName", "nodeName"):
        report(names.dns_subdomain(getattr(spec, field)), getattr(spec, field), here, field)
        _validate_uid(getattr(spec, field.replace("Name", "UID")), here.at(field.replace("Name", "UID")))
    if spec.maxExpirationSeconds is None:
        here.at("maxExpirationSeconds").required("must be set")
        return
    own = spec.signerName.partition("/")[0]
    longest = LONGEST_KUBERNETES_SECONDS if own == "kubernetes.io" or own.endswith(".kubernetes.io") else LONGEST_SECONDS
    if not SHORTEST_SECONDS <= spec.maxExpirationSeconds <= longest:
        here.at("maxExpirationSeconds").invalid(spec.maxExpirationSeconds, f"must be in the range [{SHORTEST_SECONDS}, {longest}]")
    _validate_request(spec.stubPKCS10Request or "", here)


def _validate_uid(uid: str, problems: Problems) -> None:
    if not uid:
        problems.invalid(uid, "must not be empty")
    if len(uid) > LONGEST_UID:
        problems.too_long(LONGEST_UID)


def _validate_request(text: str, problems: Problems) -> None:
    """A PKCS#10 request in base64, signed by the key that it asks a certificate for."""
    if not text:
        problems.wrong("exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set")
        return
    here = problems.at("stubPKCS10Request")
    try:
        data = base64.b64decode(text)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) > LARGEST_REQUEST_BYTES:
        here.too_long(LARGEST_REQUEST_BYTES)
    elif message := _request_fault(data):
        here.wrong(message)


def _request_fault(data: bytes) -> str:
    """What is wrong with a PKCS#10 request; "" when nothing is."""
    from cryptography import exceptions, x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        request = x509.load_der_x509_csr(data)
        key = request.public_key()
    except (ValueError, exceptions.UnsupportedAlgorithm):
        return "must be a valid PKCS#10 CSR"
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in ("secp256r1", "secp384r1", "secp521r1"):
            return "elliptic public keys must use curve P256, P384, or P521"
    elif isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in RSA_BITS:
            return "RSA keys must have modulus size 3072 or 4096"
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        return "unknown public key type; supported types are Ed25519, ECDSA, and RSA"
    return "" if request.is_signature_valid else "invalid signature"


@PODCERTIFICATEREQUEST.validate_update
def validate_update(old: PodCertificateRequest, new: PodCertificateRequest, problems: Problems) -> None:
    """The spec never changes. Upstream: ValidatePodCertificateRequestUpdate."""
    if new.spec != old.spec:
        problems.at("spec").invalid(internal(new.spec, "certificates.PodCertificateRequestSpec"), IMMUTABLE)


@PODCERTIFICATEREQUEST.validate_status
def validate_status(old: PodCertificateRequest, new: PodCertificateRequest, problems: Problems) -> None:
    """A request ends once: issued, denied or failed. (Whether an issued chain fits the request is for who issues it to see to.)"""
    here, before = problems.at("status"), len(problems.found)
    known = 0
    for index, condition in enumerate(new.status.conditions):
        place = here.at("conditions", index)
        if condition.type not in FINAL:
            place.at("type").not_supported(condition.type, FINAL)
            continue
        known += 1
        if known > 1:
            message = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
            place.at("type").invalid(condition.type, message)
        if condition.status != "True":
            place.at("status").not_supported(condition.status, ("True",))
    validate_conditions(new.status.conditions, here.at("conditions"))
    if len(problems.found) > before:
        return
    state = _state(new)
    if _state(old) != "Pending":
        if new.status != old.status:
            here.invalid(new.status, "immutable after PodCertificateRequest is issued, denied, or failed")
    elif state in ("Denied", "Failed"):
        if new.status != PodCertificateRequestStatus(conditions=new.status.conditions):
            here.invalid(new.status, "non-condition status fields must be empty when denying or failing the PodCertificateRequest")
    elif state == "Issued":
        _validate_issued(new.status, here)
    elif new.status != old.status:
        here.wrong('status is immutable unless transitioning to "Issued", "Denied", or "Failed"')


def _validate_issued(status: PodCertificateRequestStatus, problems: Problems) -> None:
    if "-----BEGIN CERTIFICATE-----" not in status.certificateChain:
        problems.at("certificateChain").invalid(status.certificateChain, "issued certificate chain must contain at least one certificate")
        return
    for field in ("notBefore", "notAfter"):
        if not getattr(status, field):
            problems.at(field).required("must be present and consistent with the issued certificate")
    if not status.beginRefreshAt:
        problems.at("beginRefreshAt").required("must be present and in the range [notbefore+10min, notafter-10min]")
