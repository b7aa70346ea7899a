"""The Node object: registration, status, Lease, and admission of Pods."""
