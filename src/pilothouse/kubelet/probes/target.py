"""Port of a probe or lifecycle hook. Pure."""

from __future__ import annotations

from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.machinery import strconv


class NoSuchPort(Exception):
    """The named port does not exist; the text is upstream's error for a name that is not a number."""


def port_number(port: int | str, container: AnyContainer) -> int:
    """Number of a port, which may be given by name."""
    number = port if isinstance(port, int) else _named(port, container)
    if not 0 < number < 65536:
        raise NoSuchPort(f"invalid port number: {number}")
    return number


def _named(name: str, container: AnyContainer) -> int:
    for port in container.ports:
        if port.name == name:
            return port.containerPort
    try:
        return strconv.atoi(name)
    except ValueError as error:
        raise NoSuchPort(str(error)) from error
