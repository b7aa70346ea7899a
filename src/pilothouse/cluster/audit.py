"""Auditing of a cluster: off unless `pilothouse up --audit-policy-file` asks for it, as kubeadm has it.

- The policy is copied to the cluster's state, and holds from the next start of its control plane; `default` is POLICY, `none` ends it.
- Events are lines of `audit.log` beside the other logs, written in batches beside the requests, rotated at 100 MB, ten files at most.
"""

from __future__ import annotations

from pathlib import Path

from pilothouse.apiserver.audit import policy
from pilothouse.apiserver.audit.options import AuditOptions
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import Places
from pilothouse.machinery.configfile import BadConfiguration

DEFAULT, NONE = "default", "none"
POLICY = """\
# Who did what, and whether it was allowed; never a body, and so no Secret and no token.
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/metrics*", "/openapi*", "/version"]
- level: None
  verbs: [get, update]
  resources:
  - group: coordination.k8s.io
    resources: [leases]
- level: Metadata
"""


def set_policy(places: Places, wanted: str) -> None:
    """Take a policy for the next start: a file's, the one that is shipped, or none. ClusterFailure for a file that is no policy."""
    if wanted == NONE:
        places.audit_policy.unlink(missing_ok=True)
        return
    try:
        data = POLICY.encode() if wanted == DEFAULT else Path(wanted).read_bytes()
        policy.parse(data, wanted)
    except (OSError, BadConfiguration) as error:
        raise ClusterFailure(str(error), "mend the policy, or take --audit-policy-file default") from error
    places.audit_policy.parent.mkdir(parents=True, exist_ok=True)
    places.audit_policy.write_bytes(data)


def options(places: Places) -> AuditOptions:
    """The flags of kube-apiserver that this comes to; none without a policy."""
    if not places.audit_policy.exists():
        return AuditOptions()
    return AuditOptions(
        {
            "audit-policy-file": str(places.audit_policy),
            "audit-log-path": str(places.log("audit")),
            "audit-log-mode": "batch",
            "audit-log-batch-max-size": "500",
            "audit-log-batch-max-wait": "1s",
            "audit-log-maxbackup": "10",
        }
    )
