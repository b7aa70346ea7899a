"""Rules of paths that end up on a node's disk."""

from __future__ import annotations

from pilothouse.machinery.problems import Problems

FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def validate_no_backsteps(path: str, problems: Problems) -> None:
    """Report a path with the element `..`. Upstream: validatePathNoBacksteps."""
    if ".." in path.split("/"):
        problems.invalid(path, "must not contain '..'")


def validate_descending(path: str, problems: Problems) -> None:
    """Relative, and never upward."""
    if path.startswith("/"):
        problems.invalid(path, "must be a relative path")
    validate_no_backsteps(path, problems)


def validate_unreserved(path: str, problems: Problems) -> None:
    """Names that begin with two dots are the kubelet's own."""
    validate_descending(path, problems)
    if path.startswith("..") and not path.startswith("../") and path != "..":
        problems.invalid(path, "must not start with '..'")


def validate_mode(mode: int | None, problems: Problems) -> None:
    """Report a file mode outside 0 to 0777.."""
    if mode is not None and not 0 <= mode <= 0o777:
        problems.invalid(mode, FILE_MODE)
