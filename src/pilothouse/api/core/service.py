"""Service: one name and one address for a set of Pods.

Here: its names, defaults and columns. How its fields follow from one another: servicefields.py; its rules:
validation/service.py; who allocates addresses and ports: apiserver/registry/allocation.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.core import servicefields
from pilothouse.api.core.columns import NONE, UNKNOWN, labels_text, load_balancer_text
from pilothouse.api.core.validation import service as rules
from pilothouse.api.core.warnings.addresses import of_address, of_range
from pilothouse.api.types.core_v1 import ClientIPConfig, Service, SessionAffinityConfig
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Subresource
from pilothouse.machinery.strategy import Strategy

PROXY_VERBS = ("create", "delete", "get", "patch", "update")
AFFINITY_SECONDS = 10800


def _external(service: Service) -> str:
    own = ",".join(service.spec.externalIPs)
    match service.spec.type:
        case "ClusterIP" | "NodePort":
            return own or NONE
        case "LoadBalancer":
            given = load_balancer_text(service.status.loadBalancer.ingress)
            return ",".join(filter(None, (given, own))) or "<pending>"
        case "ExternalName":
            return service.spec.externalName
    return UNKNOWN


def _ports(service: Service) -> str:
    def shown(number: int, node_port: int | None, protocol: str) -> str:
        return f"{number}:{node_port}/{protocol}" if node_port else f"{number}/{protocol}"

    return ",".join(shown(port.port, port.nodePort, port.protocol) for port in service.spec.ports) or NONE


SERVICE = Resource(
    Service,
    plural="services",
    short_names=("svc",),
    categories=("all",),
    subresources=(STATUS, Subresource("proxy", PROXY_VERBS, ("", "v1", "ServiceProxyOptions"))),
    columns=(
        Column("Type", lambda service: service.spec.type),
        Column("Cluster-IP", lambda service: service.spec.clusterIPs[0] if service.spec.clusterIPs else NONE),
        Column("External-IP", _external),
        Column("Port(s)", _ports),
        AGE,
        Column("Selector", lambda service: labels_text(service.spec.selector), priority=1),
    ),
    selectable_fields={"spec.clusterIP": lambda service: service.spec.clusterIP, "spec.type": lambda service: service.spec.type},
    name_rule=names.dns_label,
    strategy=Strategy(
        allow_create_on_update=True,
        generation=None,
        returns_deleted_object=True,
        status_defaults_by_spec=True,
        storage_prefix="services/specs",
        compares_first=True,
    ),
)


@SERVICE.default
def default(service: Service) -> None:
    """Type ClusterIP, session affinity None, TCP, targetPort equal to port, traffic policies Cluster. Upstream: SetDefaults_Service."""
    spec = service.spec
    spec.type = spec.type or "ClusterIP"
    spec.sessionAffinity = spec.sessionAffinity or "None"
    if spec.sessionAffinity == "None":
        spec.sessionAffinityConfig = None
    elif spec.sessionAffinity == "ClientIP":
        _default_affinity(service)
    for port in spec.ports:
        port.protocol = port.protocol or "TCP"
        port.targetPort = port.targetPort or port.port
    if servicefields.externally_accessible(service):
        spec.externalTrafficPolicy = spec.externalTrafficPolicy or "Cluster"
    if servicefields.needs_cluster_ip(service) and spec.internalTrafficPolicy is None:
        spec.internalTrafficPolicy = "Cluster"
    if spec.type == "LoadBalancer":
        if spec.allocateLoadBalancerNodePorts is None:
            spec.allocateLoadBalancerNodePorts = True
        for ingress in service.status.loadBalancer.ingress:
            if ingress.ip and ingress.ipMode is None:
                ingress.ipMode = "VIP"


def _default_affinity(service: Service) -> None:
    config = service.spec.sessionAffinityConfig
    if config is None or config.clientIP is None or config.clientIP.timeoutSeconds is None:
        service.spec.sessionAffinityConfig = SessionAffinityConfig(clientIP=ClientIPConfig(timeoutSeconds=AFFINITY_SECONDS))


@SERVICE.prepare_create
def prepare_create(service: Service) -> None:
    """Make clusterIP and clusterIPs agree, and fill in the IP families."""
    servicefields.normalise_cluster_ips(None, service)
    servicefields.default_families(service)


@SERVICE.prepare_update
def prepare_update(old: Service, new: Service) -> None:
    """Make dependent fields agree with the type, carry over what was allocated, fill in the IP families.

    Upstream: patchAllocatedValues, dropTypeDependentFields.
    """
    servicefields.normalise_cluster_ips(old, new)
    servicefields.drop_dependent(old, new)
    servicefields.carry_allocated(old, new)
    servicefields.default_families(new)


@SERVICE.validate
def validate(service: Service, problems: Problems) -> None:
    """Rules of a Service. Upstream: ValidateServiceCreate."""
    rules.validate_service(service, problems)


@SERVICE.validate_update
def validate_update(old: Service, new: Service, problems: Problems) -> None:
    """Validate an update of a Service. Upstream: ValidateServiceUpdate."""
    rules.validate_service_update(old, new, problems)


@SERVICE.validate_status
def validate_status(old: Service, new: Service, problems: Problems) -> None:
    """Rules of the load balancer's status. Upstream: ValidateServiceStatusUpdate."""
    rules.validate_load_balancer(new, problems.at("status", "loadBalancer"))


@SERVICE.warn
def warn(new: Service, old: Service | None) -> Iterator[str]:
    """Warnings for deprecated annotations and fields, and for addresses that are not in canonical form."""
    spec = new.spec
    if rules.OLD_TOPOLOGY in new.metadata.annotations:
        yield f"annotation {rules.OLD_TOPOLOGY} is deprecated, please use {rules.TOPOLOGY} instead"
    for index, address in enumerate(spec.clusterIPs if spec.clusterIPs and not servicefields.is_headless(new) else ()):
        yield from of_address(f"spec.clusterIPs[{index}]", address)
    for index, address in enumerate(spec.externalIPs):
        yield from of_address(f"spec.externalIPs[{index}]", address)
    if spec.externalIPs and not servicefields.is_headless(new) and spec.type != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.loadBalancerIP:
        yield from of_address("spec.loadBalancerIP", spec.loadBalancerIP)
    for index, value in enumerate(spec.loadBalancerSourceRanges):
        yield from of_range(f"spec.loadBalancerSourceRanges[{index}]", value)
    yield from _ignored(new)


def _ignored(service: Service) -> Iterator[str]:
    """Fields that mean nothing for a Service of this sort."""
    spec = service.spec
    if spec.type == "ClusterIP" and spec.clusterIP == servicefields.HEADLESS:
        if spec.loadBalancerIP:
            yield "spec.loadBalancerIP is ignored for headless services"
        if spec.externalIPs:
            yield "spec.externalIPs is ignored for headless services"
        if spec.sessionAffinity != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    if spec.type == "ExternalName" and spec.externalIPs:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if spec.type != "ExternalName" and spec.externalName:
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.trafficDistribution == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
