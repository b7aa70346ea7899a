"""Table cells of volumes and claims: access modes and storage class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilothouse.api import wellknown

SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def access_modes(modes: Iterable[str]) -> str:
    """`RWO,ROX`, each once, in upstream's order."""
    granted = set(modes)
    return ",".join(short for mode, short in SHORT.items() if mode in granted)


def volume_class(obj: Any, name: str | None) -> str:
    """The storage class; an annotation of old goes before the field."""
    annotated: str | None = obj.metadata.annotations.get(wellknown.STORAGE_CLASS_BETA)
    return annotated if annotated is not None else name or ""
