"""ServiceAccount: the identity of Pods at the API."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import ServiceAccount
from pilothouse.machinery.resource import Resource, Subresource
from pilothouse.machinery.strategy import Strategy

MOUNTABLE_ONLY = "kubernetes.io/enforce-mountable-secrets"

SERVICEACCOUNT = Resource(
    ServiceAccount,
    plural="serviceaccounts",
    short_names=("sa",),
    subresources=(Subresource("token", ("create",), ("authentication.k8s.io", "v1", "TokenRequest")),),
    strategy=Strategy(validates_generate_name=True, generation=None, returns_deleted_object=True),
)


@SERVICEACCOUNT.default
def default(service_account: ServiceAccount) -> None:
    """Keep only the name of each referenced Secret, as upstream does."""
    for secret in service_account.secrets:
        secret.kind = secret.namespace = secret.uid = secret.apiVersion = secret.resourceVersion = secret.fieldPath = ""


@SERVICEACCOUNT.warn
def warn(new: ServiceAccount, old: ServiceAccount | None) -> Iterator[str]:
    """Warning about an annotation that was added."""
    if MOUNTABLE_ONLY in new.metadata.annotations and (old is None or MOUNTABLE_ONLY not in old.metadata.annotations):
        yield (
            f"metadata.annotations[{MOUNTABLE_ONLY}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        )
