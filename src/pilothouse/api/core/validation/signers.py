"""Validation of signer names, and of podCertificate projections."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.paths import validate_unreserved
from pilothouse.api.types.core_v1 import PodCertificateProjection
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")
LONGEST_SIGNER_NAME = 571
SHORTEST_SECONDS, LONGEST_SECONDS, LONGEST_KUBERNETES_SECONDS = 3600, 91 * 86400, 86400


def validate_signer_name(name: str, problems: Problems) -> None:
    """`example.com/path`: a domain of at least two parts, and a path whose parts are DNS names."""
    if not name:
        problems.required()
        return
    if len(name) > LONGEST_SIGNER_NAME:
        problems.too_long(LONGEST_SIGNER_NAME)
    segments = name.split("/")
    if len(segments) != 2:
        problems.invalid(name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")
        return
    domain, path = segments
    report(names.dns_subdomain(domain), domain, problems)
    if "." not in domain:
        problems.invalid(domain, "should be a domain with at least two segments separated by dots")
    report(names.dns_subdomain(path), path, problems)


def trust_bundle_name_errors(name: str, signer: str) -> list[str]:
    """Errors in the name of a ClusterTrustBundle: with a signer it begins with the signer's name, colons for slashes."""
    if not signer:
        return ['ClusterTrustBundle without signer name must not have ":" in its name'] if ":" in name else names.dns_subdomain(name)
    prefix = signer.replace("/", ":") + ":"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return names.dns_subdomain(name.removeprefix(prefix))


def validate_user_annotations(annotations: Mapping[str, str], problems: Problems) -> None:
    """Their keys belong to a domain, whatever the case of their letters."""
    for key in map(str.lower, annotations):
        if not key:
            problems.required()
        elif wrong := names.qualified_name(key):
            report(wrong, key, problems)
        elif "/" not in key:
            problems.invalid(key, 'must be a domain-prefixed key (such as "acme.io/foo")')


def validate_pod_certificate(asked: PodCertificateProjection, problems: Problems) -> None:
    """A projected certificate: signer, key type, duration, paths.."""
    validate_signer_name(asked.signerName, problems.at("signerName"))
    validate_user_annotations(asked.userAnnotations, problems.at("userAnnotations"))
    if asked.keyType not in KEY_TYPES:
        problems.at("keyType").not_supported(asked.keyType, KEY_TYPES)
    seconds = asked.maxExpirationSeconds
    if seconds is not None:
        own = asked.signerName.partition("/")[0]
        kubernetes = own == "kubernetes.io" or own.endswith(".kubernetes.io")
        longest = LONGEST_KUBERNETES_SECONDS if kubernetes else LONGEST_SECONDS
        if seconds < SHORTEST_SECONDS:
            problems.at("maxExpirationSeconds").invalid(seconds, f"if provided, maxExpirationSeconds must be >= {SHORTEST_SECONDS}")
        if seconds > longest:
            problems.at("maxExpirationSeconds").invalid(seconds, f"if provided, maxExpirationSeconds must be <= {longest}")
    given = [field for field in CERTIFICATE_PATHS if getattr(asked, field)]
    for field in given:
        validate_unreserved(getattr(asked, field), problems.at(field))
    if not given:
        problems.required("specify at least one of credentialBundlePath, keyPath, and certificateChainPath")
