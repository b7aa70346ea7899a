"""Endpoints: the addresses that a Service stands for; EndpointSlice is its successor."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.core.columns import NONE
from pilothouse.api.core.validation.addresses import validate_address, validate_routable
from pilothouse.api.core.validation.fields import PORT_PROTOCOLS, one_of, report
from pilothouse.api.core.warnings.addresses import of_address
from pilothouse.api.types.core_v1 import EndpointAddress, EndpointPort, Endpoints
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

SHOWN = 3


def _addresses(endpoints: Endpoints) -> str:
    """The first three of all ports and addresses, and how many more there are."""
    every: list[str] = []
    for subset in endpoints.subsets:
        ports = [f":{port.port}" for port in subset.ports] or [""]
        for port in ports:
            every += [f"[{to.ip}]{port}" if ":" in to.ip and port else f"{to.ip}{port}" for to in subset.addresses]
    if not endpoints.subsets:
        return NONE
    text = ",".join(every[:SHOWN])
    return f"{text} + {len(every) - SHOWN} more..." if len(every) > SHOWN else text


ENDPOINTS = Resource(
    Endpoints,
    plural="endpoints",
    short_names=("ep",),
    columns=(Column("Endpoints", _addresses), AGE),
    strategy=Strategy(validates_generate_name=True, allow_create_on_update=True, generation=None, storage_prefix="services/endpoints"),
)


@ENDPOINTS.default
def default(endpoints: Endpoints) -> None:
    """Protocol TCP. Upstream: SetDefaults_Endpoints."""
    for subset in endpoints.subsets:
        for port in subset.ports:
            port.protocol = port.protocol or "TCP"


@ENDPOINTS.validate
def validate(endpoints: Endpoints, problems: Problems) -> None:
    """Addresses and ports of every subset. Upstream: ValidateEndpoints."""
    for index, subset in enumerate(endpoints.subsets):
        here = problems.at("subsets", index)
        if not subset.addresses and not subset.notReadyAddresses:
            here.required("must specify `addresses` or `notReadyAddresses`")
        for field in ("addresses", "notReadyAddresses"):
            for position, address in enumerate(getattr(subset, field)):
                _validate_address(address, here.at(field, position))
        for position, port in enumerate(subset.ports):
            _validate_port(port, len(subset.ports) > 1, here.at("ports", position))


def _validate_address(address: EndpointAddress, problems: Problems) -> None:
    validate_address(address.ip, problems.at("ip"))
    if address.hostname:
        report(names.dns_label(address.hostname), address.hostname, problems, "hostname")
    if address.nodeName is not None:
        report(names.dns_subdomain(address.nodeName), address.nodeName, problems, "nodeName")
    validate_routable(address.ip, problems.at("ip"))


def _validate_port(port: EndpointPort, named: bool, problems: Problems) -> None:
    if named and not port.name:
        problems.at("name").required()
    elif port.name:
        report(names.dns_label(port.name), port.name, problems, "name")
    report(names.port_number(port.port), port.port, problems, "port")
    one_of(port.protocol, PORT_PROTOCOLS, problems, "protocol")
    if port.appProtocol is not None:
        report(names.qualified_name(port.appProtocol), port.appProtocol, problems, "appProtocol")


@ENDPOINTS.warn
def warn(new: Endpoints, old: Endpoints | None) -> Iterator[str]:
    """Warnings for addresses that are not in canonical form."""
    for index, subset in enumerate(new.subsets):
        for field in ("addresses", "notReadyAddresses"):
            for position, address in enumerate(getattr(subset, field)):
                yield from of_address(f"subsets[{index}].{field}[{position}].ip", address.ip)
