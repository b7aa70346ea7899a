"""Why a container cannot be launched, as its status and events say it."""

from __future__ import annotations


class LaunchError(Exception):
    """`reason` is a waiting reason (CreateContainerConfigError, CreateContainerError, ErrImagePull ...), `str()` its message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ConfigError(LaunchError):
    """Something that the container's configuration refers to is missing or wrong."""

    def __init__(self, message: str) -> None:
        super().__init__("CreateContainerConfigError", message)
