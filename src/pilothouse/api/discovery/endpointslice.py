"""EndpointSlice: a part of the endpoints of a Service."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pilothouse.api.core.columns import shortened
from pilothouse.api.core.validation.addresses import validate_address, validate_routable
from pilothouse.api.core.validation.fields import PORT_PROTOCOLS, one_of, report
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointSlice
from pilothouse.machinery import names
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy, content_changed

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MAXIMUM_HINTS = 8
HINTS = {"forZones": names.label_value, "forNodes": names.dns_subdomain}
MAXIMUM_ENDPOINTS, MAXIMUM_PORTS, MAXIMUM_ADDRESSES = 1000, 100, 100


def _ports(endpoint_slice: EndpointSlice) -> str:
    return shortened([str(port.port) if port.port is not None else port.name or "*" for port in endpoint_slice.ports or ()])


def content_or_labels_changed(old: EndpointSlice, new: EndpointSlice) -> bool:
    """Labels say of which Service a slice is, and so count for its generation."""
    return content_changed(old, new) or old.metadata.labels != new.metadata.labels


ENDPOINTSLICE = Resource(
    EndpointSlice,
    plural="endpointslices",
    columns=(
        Column("AddressType", lambda endpoint_slice: endpoint_slice.addressType),
        Column("Ports", _ports),
        Column(
            "Endpoints",
            lambda endpoint_slice: shortened([address for end in endpoint_slice.endpoints or () for address in end.addresses or ()]),
        ),
        AGE,
    ),
    strategy=Strategy(validates_generate_name=True, generation=content_or_labels_changed, counts_disabled=True),
)


@ENDPOINTSLICE.default
def default(endpoint_slice: EndpointSlice) -> None:
    """Port name empty, protocol TCP. Upstream: SetDefaults_EndpointPort."""
    for port in endpoint_slice.ports or ():
        if port.name is None:
            port.name = ""
        if port.protocol is None:
            port.protocol = "TCP"


@ENDPOINTSLICE.validate
def validate(endpoint_slice: EndpointSlice, problems: Problems) -> None:
    """Address type, endpoints (at most 1000) and ports (at most 20,000). Upstream: ValidateEndpointSlice."""
    one_of(endpoint_slice.addressType, ADDRESS_TYPES, problems, "addressType")
    if len(endpoint_slice.endpoints or ()) > MAXIMUM_ENDPOINTS:
        problems.at("endpoints").too_many(len(endpoint_slice.endpoints or ()), MAXIMUM_ENDPOINTS)
        return
    for index, endpoint in enumerate(endpoint_slice.endpoints or ()):
        _validate_endpoint(endpoint, endpoint_slice.addressType, problems.at("endpoints", index))
    if len(endpoint_slice.ports or ()) > MAXIMUM_PORTS:
        problems.at("ports").too_many(len(endpoint_slice.ports or ()), MAXIMUM_PORTS)
        return
    seen: set[str] = set()
    for index, port in enumerate(endpoint_slice.ports or ()):
        here = problems.at("ports", index)
        if port.name:
            report(names.dns_label(port.name), port.name, here, "name")
        if port.name in seen:
            here.at("name").duplicate(port.name)
        seen.add(port.name or "")
        if port.protocol not in PORT_PROTOCOLS:
            here.at("protocol").not_supported(port.protocol or "", PORT_PROTOCOLS)
        if port.appProtocol is not None:
            report(names.qualified_name(port.appProtocol), port.appProtocol, here, "appProtocol")


def _validate_endpoint(endpoint: Endpoint, address_type: str, problems: Problems) -> None:
    here = problems.at("addresses")
    if not endpoint.addresses:
        here.required()
    elif len(endpoint.addresses) > MAXIMUM_ADDRESSES:
        here.too_many(len(endpoint.addresses), MAXIMUM_ADDRESSES)
    for index, address in enumerate(endpoint.addresses or ()):
        _validate_address(address, address_type, here, index)
    if endpoint.nodeName is not None:
        report(names.dns_subdomain(endpoint.nodeName), endpoint.nodeName, problems, "nodeName")
    if endpoint.hostname is not None:
        report(names.dns_label(endpoint.hostname), endpoint.hostname, problems, "hostname")
    for field, rule in HINTS.items() if endpoint.hints else ():
        _validate_hints([hint.name for hint in getattr(endpoint.hints, field)], rule, problems.at("hints", field))


def _validate_hints(given: list[str], rule: Callable[[str], list[str]], problems: Problems) -> None:
    if len(given) > MAXIMUM_HINTS:
        problems.too_many(len(given), MAXIMUM_HINTS)
        return
    for index, name in enumerate(given):
        here = problems.at(index, "name")
        if name in given[:index]:
            here.duplicate(name)
        report(rule(name), name, here)


def _validate_address(address: str, address_type: str, problems: Problems, index: int) -> None:
    """Addresses of an unknown type are not looked at."""
    here = problems.at(index)
    if address_type == "FQDN":
        _validate_domain(address.removesuffix("."), here)
    elif address_type in ("IPv4", "IPv6") and validate_address(address, here):
        if (":" in address) != (address_type == "IPv6"):
            problems.invalid(address, f"must be an {address_type} address")
        validate_routable(address, here)


def _validate_domain(name: str, problems: Problems) -> None:
    messages = names.dns_subdomain(name)
    if not name:
        problems.required()
    elif messages:
        problems.invalid(name, ",".join(messages))
    elif "." not in name:
        problems.invalid(name, "should be a domain with at least two segments separated by dots")
    else:
        for label in name.split("."):
            if wrong := names.dns_label(label):
                problems.invalid(label, ",".join(wrong))


@ENDPOINTSLICE.validate_update
def validate_update(old: EndpointSlice, new: EndpointSlice, problems: Problems) -> None:
    """The address type never changes. Upstream: ValidateEndpointSliceUpdate."""
    if new.addressType != old.addressType:
        problems.at("addressType").invalid(None, IMMUTABLE)


@ENDPOINTSLICE.prepare_create
def prepare_create(endpoint_slice: EndpointSlice) -> None:
    """The topology of v1beta1 is not written any more."""
    for endpoint in endpoint_slice.endpoints or ():
        endpoint.deprecatedTopology = {}


@ENDPOINTSLICE.prepare_update
def prepare_update(old: EndpointSlice, new: EndpointSlice) -> None:
    """Drop deprecated topology that the stored slice does not use."""
    if not any(endpoint.deprecatedTopology for endpoint in old.endpoints or ()):
        prepare_create(new)


@ENDPOINTSLICE.warn
def warn(new: EndpointSlice, old: EndpointSlice | None) -> Iterator[str]:
    """A warning for the address type FQDN."""
    if old is None and new.addressType == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"
