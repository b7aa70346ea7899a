"""CertificateSigningRequest: a request for a certificate."""

from __future__ import annotations

from pilothouse.api.core.columns import NONE
from pilothouse.api.core.validation.fields import immutable
from pilothouse.api.types.certificates_v1 import CertificateSigningRequest
from pilothouse.machinery import names, time
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Subresource

SHORTEST_SECONDS = 600


def _condition(one: CertificateSigningRequest) -> str:
    found = {condition.type for condition in one.status.conditions}
    shown = ["Denied" if "Denied" in found else "Approved" if "Approved" in found else "Pending"]
    if "Failed" in found:
        shown.append("Failed")
    if one.status.certificate:
        shown.append("Issued")
    return ",".join(shown)


def _duration(one: CertificateSigningRequest) -> str:
    seconds = one.spec.expirationSeconds
    return NONE if seconds is None else time.human_duration(seconds)


CERTIFICATESIGNINGREQUEST = Resource(
    CertificateSigningRequest,
    plural="certificatesigningrequests",
    short_names=("csr",),
    namespaced=False,
    subresources=(STATUS, Subresource("approval")),
    columns=(
        AGE,
        Column("SignerName", lambda one: one.spec.signerName or NONE),
        Column("Requestor", lambda one: one.spec.username),
        Column("RequestedDuration", _duration),
        Column("Condition", _condition),
    ),
    selectable_fields={"spec.signerName": lambda one: one.spec.signerName},
    name_rule=names.path_segment,
)


@CERTIFICATESIGNINGREQUEST.prepare_update
def prepare_update(old: CertificateSigningRequest, new: CertificateSigningRequest) -> None:
    """What was asked for stays; only who asked could change it, by asking anew."""
    new.spec = old.spec


@CERTIFICATESIGNINGREQUEST.validate
def validate(one: CertificateSigningRequest, problems: Problems) -> None:
    here = problems.at("spec")
    if not one.spec.request:
        here.at("request").invalid(one.spec.request, "PEM block type must be CERTIFICATE REQUEST")
    if not one.spec.usages:
        here.at("usages").required("usages must be provided")
    for index, usage in enumerate(one.spec.usages):
        if usage in one.spec.usages[:index]:
            here.at("usages", index).duplicate(usage)
    if not one.spec.signerName:
        here.at("signerName").required()
    elif "/" not in one.spec.signerName:
        message = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        here.at("signerName").invalid(one.spec.signerName, message)
    if one.spec.expirationSeconds is not None and one.spec.expirationSeconds < SHORTEST_SECONDS:
        message = "may not specify a duration less than 600 seconds (10 minutes)"
        here.at("expirationSeconds").invalid(one.spec.expirationSeconds, message)


@CERTIFICATESIGNINGREQUEST.validate_status
def validate_status(old: CertificateSigningRequest, new: CertificateSigningRequest, problems: Problems) -> None:
    if old.status.certificate:
        immutable(new.status.certificate, old.status.certificate, problems, "status", "certificate")
