"""The arithmetic of Deployments: revisions, sizes and status, as pure functions on a Deployment and its ReplicaSets.

The quirks are upstream's (pkg/controller/deployment): what `kubectl rollout` and people expect depends on them.
"""
