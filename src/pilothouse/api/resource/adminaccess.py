"""Access to devices that are in use, which only namespaces with a label of an administrator's may ask for (KEP-5018).

Upstream: pkg/registry/resource/utils.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pilothouse.api.types.resource_v1 import AllocationResult, DeviceRequest
from pilothouse.machinery.problems import Problems

ADMIN_ACCESS_LABEL = "resource.kubernetes.io/admin-access"


def validate_admin_access(requests: Sequence[DeviceRequest] | None, namespace_labels: Mapping[str, str] | None, problems: Problems) -> None:
    """Whether the first request with admin access may have it. `namespace_labels` are those of the claim's namespace; None: it is not
    there. A template's request is told by the path of a claim's, as upstream does."""
    for index, request in enumerate(requests or ()):
        if request.exactly is not None and request.exactly.adminAccess:
            refuse_admin_access(namespace_labels, problems.at("spec", "devices", "requests", index, "adminAccess"))
            return


def refuse_admin_access(namespace_labels: Mapping[str, str] | None, problems: Problems) -> None:
    """Report admin access, unless the namespace allows it."""
    if (namespace_labels or {}).get(ADMIN_ACCESS_LABEL) != "true":
        problems.forbidden(f"admin access to devices requires the `{ADMIN_ACCESS_LABEL}: true` label on the containing namespace")


def granted(allocation: AllocationResult | None) -> int | None:
    """The place of the first result with admin access; None when there is none."""
    results = allocation.devices.results if allocation is not None else []
    return next((index for index, result in enumerate(results) if result.adminAccess), None)
