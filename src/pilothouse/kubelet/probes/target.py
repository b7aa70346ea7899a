"""Which port a probe or hook means. Pure."""

from __future__ import annotations

from pilothouse.kubelet.pods.steps import AnyContainer


def port_number(port: int | str, container: AnyContainer) -> int:
    """A number as it is, a name as the container's ports have it; 0 when there is none of that name."""
    if isinstance(port, int):
        return port
    if port.isdigit():
        return int(port)
    return next((one.containerPort for one in container.ports if one.name == port), 0)
