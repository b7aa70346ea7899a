"""ClusterTrustBundle: root certificates that pods may mount, by the signer that they belong to."""

from __future__ import annotations

from pilothouse.api.certificates.trustanchors import validate_trust_bundle
from pilothouse.api.core.columns import NONE
from pilothouse.api.core.validation.fields import immutable, report
from pilothouse.api.core.validation.signers import trust_bundle_name_errors, validate_signer_name
from pilothouse.api.types.certificates_v1 import ClusterTrustBundle
from pilothouse.machinery.metadata import maskable
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Column, Resource
from pilothouse.machinery.strategy import Strategy


def _any_name(name: str) -> list[str]:
    """Names depend on the signer: `validate` looks at them."""
    return []


CLUSTERTRUSTBUNDLE = Resource(
    ClusterTrustBundle,
    plural="clustertrustbundles",
    namespaced=False,
    columns=(Column("SignerName", lambda bundle: bundle.spec.signerName or NONE),),
    selectable_fields={"spec.signerName": lambda bundle: bundle.spec.signerName},
    name_rule=_any_name,
    strategy=Strategy(allow_unconditional_update=False, generation=None),
)


@CLUSTERTRUSTBUNDLE.validate
def validate(bundle: ClusterTrustBundle, problems: Problems) -> None:
    """Name with the signer's prefix, signer and certificates. Upstream: ValidateClusterTrustBundle."""
    if bundle.metadata.name:
        report(trust_bundle_name_errors(bundle.metadata.name, bundle.spec.signerName), bundle.metadata.name, problems, "metadata", "name")
    if bundle.metadata.generateName:
        named = maskable(bundle.metadata.generateName)
        report(trust_bundle_name_errors(named, bundle.spec.signerName), bundle.metadata.generateName, problems, "metadata", "generateName")
    here = problems.at("spec")
    if bundle.spec.signerName:
        validate_signer_name(bundle.spec.signerName, here.at("signerName"))
    if not bundle.metadata.resourceVersion:  # what was stored once need not be parsed again: validate_update sees to what changes
        validate_trust_bundle(bundle.spec.trustBundle, here.at("trustBundle"))


@CLUSTERTRUSTBUNDLE.validate_update
def validate_update(old: ClusterTrustBundle, new: ClusterTrustBundle, problems: Problems) -> None:
    """The signer never changes; certificates are parsed when they change. Upstream: ValidateClusterTrustBundleUpdate."""
    if new.spec.trustBundle != old.spec.trustBundle:
        validate_trust_bundle(new.spec.trustBundle, problems.at("spec", "trustBundle"))
    immutable(new.spec.signerName, old.spec.signerName, problems, "spec", "signerName")
