"""`certificatesigningrequests/approval`: the word of an approver, which only its conditions carry."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.registry.strategy import validate_status
from pilothouse.apiserver.registry.view import View, with_metadata_of
from pilothouse.machinery.resource import Resource

DECISIONS = ("Approved", "Denied")


def write(resource: Resource[Any], old: Any, body: Any) -> Any:
    new = with_metadata_of(old, body)
    others = [one for one in old.status.conditions if one.type not in DECISIONS]
    new.status.conditions = others + [one for one in body.status.conditions if one.type in DECISIONS]
    return new


APPROVAL = View("approval", write, validate_status, plurals=frozenset({("certificates.k8s.io", "certificatesigningrequests")}))
