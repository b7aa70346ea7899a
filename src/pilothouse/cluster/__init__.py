"""Clusters on this machine as a whole, as kubeadm and minikube manage them: made, stopped, repaired, removed.

- up.py, down.py, teardown.py, rollback.py: the commands; whatever a failed `up` had started is undone.
- state.py: the cluster's record and directories; store.py: whether its database is still there.
- preflight.py, choice.py, doctor.py: what the machine must have, which ranges and ports are free, what is missing.
- launch.py, supervision.py, readiness.py: processes, their restarts, and waiting until they serve.
- node.py, repair.py: the node's namespaces and network. certificates.py, access.py: keys and kubeconfigs.
- services.py, unserved.py: objects and events that the cluster itself writes. images.py, example.py, status.py: the other commands.

Not here: parsing of command lines and printing (cmd/pilothouse.py), the wiring of components (cmd/), Linux primitives (node/).
"""
