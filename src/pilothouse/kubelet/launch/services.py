"""Service environment variables, in the form of Docker links. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core_v1 import Pod, Service

MASTER = ("default", "kubernetes")


def service_environment(pod: Pod, services: Iterable[Service]) -> dict[str, str]:
    """Variables for the Services of the Pod's namespace if enableServiceLinks, and always for the Service `kubernetes`."""
    links = pod.spec.enableServiceLinks is not False
    by_name: dict[str, Service] = {}
    for service in services:
        key = (service.metadata.namespace, service.metadata.name)
        if service.spec.clusterIP in {"", "None"}:
            continue
        if key == MASTER:
            by_name.setdefault(key[1], service)
        elif links and key[0] == pod.metadata.namespace:
            by_name[key[1]] = service
    return {name: value for key in sorted(by_name) for name, value in _variables(by_name[key])}


def _variables(service: Service) -> list[tuple[str, str]]:
    prefix = _variable_name(service.metadata.name)
    ip = service.spec.clusterIP
    ports = service.spec.ports
    if not ports:
        return [(f"{prefix}_SERVICE_HOST", ip)]
    first = ports[0]
    variables = [(f"{prefix}_SERVICE_HOST", ip), (f"{prefix}_SERVICE_PORT", str(first.port))]
    variables += [(f"{prefix}_SERVICE_PORT_{_variable_name(port.name)}", str(port.port)) for port in ports if port.name]
    host = f"[{ip}]" if ":" in ip else ip
    for place, port in enumerate(ports):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{host}:{port.port}"
        if place == 0:
            variables.append((f"{prefix}_PORT", url))
        start = f"{prefix}_PORT_{port.port}_{protocol.upper()}"
        variables += [(start, url), (f"{start}_PROTO", protocol.lower()), (f"{start}_PORT", str(port.port)), (f"{start}_ADDR", ip)]
    return variables


def _variable_name(name: str) -> str:
    return name.upper().replace("-", "_")
