"""Errors that prevent the launch of a container, as shown in statuses and events."""

from __future__ import annotations


class LaunchError(Exception):
    """A container cannot be launched. `reason` is a waiting reason (CreateContainerConfigError, ErrImagePull ...), the text its message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ConfigError(LaunchError):
    """An object that the container's configuration refers to is missing or invalid."""

    def __init__(self, message: str) -> None:
        super().__init__("CreateContainerConfigError", message)
