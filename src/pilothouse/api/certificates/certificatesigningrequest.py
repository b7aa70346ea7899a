"""CertificateSigningRequest: a request for a certificate."""

from __future__ import annotations

import base64

from pilothouse.api.core.columns import NONE
from pilothouse.api.types.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from pilothouse.machinery import names, time
from pilothouse.machinery.codec import clone
from pilothouse.machinery.problems import Problems, quoted
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Subresource
from pilothouse.machinery.strategy import Strategy

USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only",
    "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement",
    "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping",
)  # fmt: skip
SHORTEST_SECONDS = 600
BLOCK = b"-----BEGIN CERTIFICATE REQUEST-----"
DECISIONS = ("Approved", "Denied")
FINAL = (*DECISIONS, "Failed")


def _condition(request: CertificateSigningRequest) -> str:
    types = {condition.type for condition in request.status.conditions}
    shown = ["Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"]
    if "Failed" in types:
        shown.append("Failed")
    if request.status.certificate:
        shown.append("Issued")
    return ",".join(shown)


def _duration(request: CertificateSigningRequest) -> str:
    seconds = request.spec.expirationSeconds
    return NONE if seconds is None else time.human_duration(seconds)


CERTIFICATESIGNINGREQUEST = Resource(
    CertificateSigningRequest,
    plural="certificatesigningrequests",
    short_names=("csr",),
    namespaced=False,
    subresources=(STATUS, Subresource("approval")),
    columns=(
        AGE,
        Column("SignerName", lambda request: request.spec.signerName or NONE),
        Column("Requestor", lambda request: request.spec.username),
        Column("RequestedDuration", _duration),
        Column("Condition", _condition),
    ),
    selectable_fields={"spec.signerName": lambda request: request.spec.signerName},
    name_rule=names.path_segment,
    reset_fields={"": ("spec", "status"), "status": ("spec", "status.conditions"), "approval": ("spec", "status.certificate")},
    strategy=Strategy(generation=None),
)


@CERTIFICATESIGNINGREQUEST.prepare_update
def prepare_update(old: CertificateSigningRequest, new: CertificateSigningRequest) -> None:
    """Keep the spec, which never changes."""
    new.spec = old.spec


@CERTIFICATESIGNINGREQUEST.validate
def validate(request: CertificateSigningRequest, problems: Problems) -> None:
    """The PEM request, usages, signer and duration. Upstream: ValidateCertificateSigningRequestCreate."""
    here = problems.at("spec")
    if BLOCK not in base64.b64decode(request.spec.request or ""):
        here.at("request").invalid(request.spec.request, "PEM block type must be CERTIFICATE REQUEST")
    if not request.spec.usages:
        here.at("usages").required()
    for index, usage in enumerate(request.spec.usages):
        if usage not in USAGES:
            here.at("usages", index).not_supported(usage, USAGES)
        if usage in request.spec.usages[:index]:
            here.at("usages", index).duplicate(usage)
    if not request.spec.signerName:
        here.at("signerName").required()
    elif "/" not in request.spec.signerName:
        message = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        here.at("signerName").invalid(request.spec.signerName, message)
    if request.spec.expirationSeconds is not None and request.spec.expirationSeconds < SHORTEST_SECONDS:
        message = "may not specify a duration less than 600 seconds (10 minutes)"
        here.at("expirationSeconds").invalid(request.spec.expirationSeconds, message)


@CERTIFICATESIGNINGREQUEST.prepare_status
def prepare_status(old: CertificateSigningRequest, new: CertificateSigningRequest, now: str) -> None:
    """Keep the conditions Approved and Denied as they are; a write that adds or removes one is refused by validation."""
    for decision in DECISIONS:
        before, after = _of_type(old, decision), _of_type(new, decision)
        if len(before) == len(after):
            kept = iter(before)
            new.status.conditions = [clone(next(kept)) if condition.type == decision else condition for condition in new.status.conditions]
    stamp(old, new, now)


@CERTIFICATESIGNINGREQUEST.validate_status
def validate_status(old: CertificateSigningRequest, new: CertificateSigningRequest, problems: Problems) -> None:
    """An issued certificate never changes, and approval is not written here. Upstream: ValidateCertificateSigningRequestStatusUpdate."""
    validate_approval(old, new, problems)
    here = problems.at("status", "conditions")
    for decision in DECISIONS:
        if len(_of_type(new, decision)) > len(_of_type(old, decision)):
            here.forbidden(f"updates may not add a condition of type {quoted(decision)}")
    if old.status.certificate and new.status.certificate != old.status.certificate:
        problems.at("status", "certificate").forbidden("updates may not modify existing certificate content")


def validate_approval(old: CertificateSigningRequest, new: CertificateSigningRequest, problems: Problems) -> None:
    """Validate conditions: final ones are unique, True, and permanent."""
    validate(new, problems)
    here = problems.at("status", "conditions")
    seen: set[str] = set()
    for index, condition in enumerate(new.status.conditions):
        if not condition.type:
            here.at(index, "type").required()
        allowed = ("True",) if condition.type in FINAL else ("False", "True", "Unknown")
        if not condition.status:
            here.at(index, "status").required()
        elif condition.status not in allowed:
            here.at(index, "status").not_supported(condition.status, allowed)
        if condition.type in DECISIONS and seen & set(DECISIONS) - {condition.type}:
            here.invalid(condition.type, "Approved and Denied conditions are mutually exclusive")
        if condition.type in seen:
            here.at(index, "type").duplicate(condition.type)
        seen.add(condition.type)
    for final in FINAL:
        if len(_of_type(new, final)) < len(_of_type(old, final)):
            here.forbidden(f"updates may not remove a condition of type {quoted(final)}")


def stamp(old: CertificateSigningRequest, new: CertificateSigningRequest, now: str) -> None:
    """Set lastUpdateTime and lastTransitionTime of conditions without them."""
    for condition in new.status.conditions:
        condition.lastUpdateTime = condition.lastUpdateTime or now
        if not condition.lastTransitionTime:
            same = (before.lastTransitionTime for before in _of_type(old, condition.type) if before.status == condition.status)
            condition.lastTransitionTime = next(filter(None, same), now)


def _of_type(request: CertificateSigningRequest, type_: str) -> list[CertificateSigningRequestCondition]:
    return [condition for condition in request.status.conditions if condition.type == type_]
