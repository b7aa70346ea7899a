"""`certificatesigningrequests/approval`: sets the conditions Approved and Denied."""

from __future__ import annotations

from typing import Any

from pilothouse.api.certificates.certificatesigningrequest import stamp, validate_approval
from pilothouse.api.types.certificates_v1 import CertificateSigningRequest
from pilothouse.apiserver.registry.strategy import raise_problems
from pilothouse.apiserver.registry.view import METADATA, View, with_metadata_of
from pilothouse.kit.clock import Clock
from pilothouse.machinery import metadata, time
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource


def write(resource: Resource[Any], old: CertificateSigningRequest, body: CertificateSigningRequest) -> CertificateSigningRequest:
    """The old request with the conditions, and some metadata, of the body."""
    new = with_metadata_of(old, body, *METADATA)
    new.status.conditions = body.status.conditions
    return new


def prepare(resource: Resource[Any], old: CertificateSigningRequest, new: CertificateSigningRequest, clock: Clock) -> None:
    """Set the times of conditions that are new or changed."""
    stamp(old, new, time.now_text(clock))


def check(resource: Resource[Any], old: CertificateSigningRequest, new: CertificateSigningRequest) -> None:
    """Validate the change. Raises a 422 with all problems."""
    problems = Problems()
    metadata.validate_metadata_update(new.metadata, old.metadata, problems.at("metadata"))
    validate_approval(old, new, problems)
    raise_problems(resource, new.metadata.name, problems)


PLURALS = frozenset({("certificates.k8s.io", "certificatesigningrequests")})
APPROVAL = View("approval", write, check, plurals=PLURALS, prepare=prepare)
