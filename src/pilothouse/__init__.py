"""Pilothouse: Kubernetes in Python. docs/architecture.md has the picture; each folder's docstring says what it promises."""

__version__ = "0.1.0"
KUBERNETES_VERSION = "v1.34.0"
