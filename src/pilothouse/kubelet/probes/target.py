"""Which port a probe or hook means. Pure."""

from __future__ import annotations

from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.machinery import strconv


class NoSuchPort(Exception):
    """`str()` says so in upstream's words: a name that no port bears is taken for a number, and found to be none."""


def port_number(port: int | str, container: AnyContainer) -> int:
    """A number as it is, a name as the container's ports have it."""
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
