"""Pilothouse: Kubernetes in Python. docs/architecture.md has the picture; each folder's docstring says what it promises."""

__version__ = "0.1.0"
API_LEVELS = ("1.34", "1.35", "1.36", "1.37")
"""The levels of the Kubernetes API that can be served, oldest first; the newest is the default."""
API_LEVEL = API_LEVELS[-1]
KUBERNETES_VERSION = f"v{API_LEVEL}.0"
