"""What differs from one run to the next is made the same in audit events: times, uids, versions, generated names."""

from __future__ import annotations

import json
import re
from typing import Any

VARYING = frozenset((
    "requestReceivedTimestamp", "stageTimestamp", "creationTimestamp", "time", "uid", "resourceVersion", "deletionTimestamp",
    "expirationTimestamp", "token", "lastTransitionTime", "lastUpdateTime", "selfLink", "expirationSeconds", "caBundle", "url",
))  # fmt: skip
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
GENERATED = re.compile(r"(gen|kube-api-access)-[a-z0-9]{5}")
LARGEST = 3000
"""Characters of an object in the table."""


def normal(value: Any) -> Any:
    """The same for every run."""
    if isinstance(value, dict):
        return {name: _field(name, child) for name, child in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    return GENERATED.sub(r"\1-X", UID.sub("UID", value)) if isinstance(value, str) else value


def _field(name: str, value: Any) -> Any:
    if name in VARYING and not isinstance(value, (dict, list)):
        return "*"
    if name == "annotations" and "authorization.k8s.io/decision" in value:
        kept = {key: text for key, text in value.items() if not key.startswith("apiserver.latency")}
        return {key: "JTI=*" if "issued-credential" in key else text for key, text in kept.items()}
    return normal(value)


def shown(event: dict[str, Any]) -> dict[str, Any]:
    """An event as the table has it: without what is the same in all, and without very large objects."""
    left_out = ("kind", "apiVersion", "auditID", "requestReceivedTimestamp", "stageTimestamp")
    made = {name: value for name, value in normal(event).items() if name not in left_out}
    for name in ("requestObject", "responseObject"):
        if name in made and len(json.dumps(made[name])) > LARGEST:
            made[name] = {"kind": made[name].get("kind"), "...": "too large for this table"}
    return made
