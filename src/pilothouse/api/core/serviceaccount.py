"""ServiceAccount: who a Pod is to the API."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import ServiceAccount
from pilothouse.machinery.resource import AGE, Column, Resource, Subresource

SERVICEACCOUNT = Resource(
    ServiceAccount,
    plural="serviceaccounts",
    short_names=("sa",),
    subresources=(Subresource("token", ("create",), ("authentication.k8s.io", "v1", "TokenRequest")),),
    columns=(Column("Secrets", lambda one: len(one.secrets)), AGE),
)
