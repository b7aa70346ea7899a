"""`/status`: what is seen of an object, written by those who see it; the spec is not theirs to change, of most kinds the metadata is."""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.apiserver.registry.strategy import validate_status
from pilothouse.apiserver.registry.view import METADATA, View
from pilothouse.kit.clock import Clock
from pilothouse.machinery import access, time
from pilothouse.machinery.resource import Resource

KEPT: dict[tuple[str, str], frozenset[str]] = {
    ("", "pods"): frozenset({"ownerReferences"}),
    ("apps", "deployments"): frozenset({"labels"}),
    **dict.fromkeys(
        (
            ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
            ("apiextensions.k8s.io", "customresourcedefinitions"),
            ("apiregistration.k8s.io", "apiservices"),
            ("flowcontrol.apiserver.k8s.io", "flowschemas"),
            ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
            ("resource.k8s.io", "resourceclaims"),
            ("storage.k8s.io", "volumeattachments"),
        ),
        frozenset(METADATA),
    ),
}
"""What upstream's strategies for the status reset of the metadata; of a kind that is not here: nothing."""


def write(resource: Resource[Any], old: Any, body: Any) -> Any:
    kept = KEPT.get((resource.group, resource.plural), frozenset())
    taken = {one: getattr(body.metadata, one) for one in METADATA if one not in kept}
    metadata = msgspec.structs.replace(old.metadata, **taken)
    return access.with_parts(old, metadata=metadata, status=access.status(body))  # the rest is shared: nobody changes it any more


def prepare(resource: Resource[Any], old: Any, new: Any, clock: Clock) -> None:
    for hook in resource.status_preparers:
        hook(old, new, time.now_text(clock))


STATUS = View("status", write, validate_status, defaulted=True, prepare=prepare)
