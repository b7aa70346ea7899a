"""Legacy ServiceAccount tokens in Secrets, which do not expire: claims and labels. Pure.

Three ask: the API server (whom such a token stands for), the controller that makes them, and the one that cleans up those of old.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse.api.types.core_v1 import Secret, ServiceAccount

ISSUER = "kubernetes/serviceaccount"
LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"
"""Labels of Secrets whose values are dates."""
CLAIM = "kubernetes.io/serviceaccount/"
NAMESPACE, SECRET_NAME, ACCOUNT_NAME, ACCOUNT_UID = (
    f"{CLAIM}{name}" for name in ("namespace", "secret.name", "service-account.name", "service-account.uid")
)
TRACKING_NAMESPACE, TRACKING, SINCE = "kube-system", "kube-apiserver-legacy-service-account-token-tracking", "since"
"""The ConfigMap that tells since when uses are noted."""


def claims_of(account: ServiceAccount, secret: Secret) -> Mapping[str, Any]:
    """Claims of the token of a Secret."""
    meta = account.metadata
    return {
        "iss": ISSUER,
        NAMESPACE: meta.namespace,
        SECRET_NAME: secret.metadata.name,
        ACCOUNT_NAME: meta.name,
        ACCOUNT_UID: meta.uid,
        "sub": f"system:serviceaccount:{meta.namespace}:{meta.name}",
    }
