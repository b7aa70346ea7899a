"""Rules of Services."""

from __future__ import annotations

import msgspec

from pilothouse.api.core.servicefields import HEADLESS, externally_accessible, is_headless, needs_cluster_ip, needs_health_check
from pilothouse.api.core.validation.addresses import (
    ONE_A_FAMILY,
    dual_stack,
    is_ipv6,
    parsed,
    validate_address,
    validate_range,
    validate_routable,
)
from pilothouse.api.core.validation.fields import NO_LIST, PORT_PROTOCOLS, one_of, optional_one_of, port_or_name, report
from pilothouse.api.types.core_v1 import Service, ServicePort
from pilothouse.machinery import names
from pilothouse.machinery.metadata import validate_labels
from pilothouse.machinery.problems import Problems

OLD_TOPOLOGY, TOPOLOGY = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
LONGEST_AFFINITY_SECONDS = 86400
SET_ONCE = "may not change once set"
ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def validate_service(service: Service, problems: Problems) -> None:
    """Rules of a Service's fields, and of their combinations. Upstream: ValidateServiceCreate."""
    here, spec = problems.at("spec"), service.spec
    headless = is_headless(service)
    older, newer = (service.metadata.annotations.get(name) for name in (OLD_TOPOLOGY, TOPOLOGY))
    if older is not None and newer is not None and older != newer:
        message = f"must match annotations[{OLD_TOPOLOGY}] when both are specified"
        problems.at("metadata", "annotations", f"[{TOPOLOGY}]").invalid(newer, message)
    if not spec.ports and not headless and spec.type != "ExternalName":
        here.at("ports").required()
    if headless and spec.type in ("LoadBalancer", "NodePort"):
        here.at("clusterIPs", 0).invalid(HEADLESS, f"may not be set to 'None' for {spec.type} services")
    if spec.type == "ExternalName":
        _validate_external_name(service, here)
    _validate_ports(spec.ports, here.at("ports"))
    validate_labels(spec.selector, here.at("selector"))
    _validate_affinity(service, here)
    validate_cluster_ips(service, here)
    for index, address in enumerate(spec.externalIPs):
        if validate_address(address, here.at("externalIPs", index)):
            validate_routable(address, here.at("externalIPs", index))
    one_of(spec.type, TYPES, here, "type")
    _validate_node_ports(service, here.at("ports"))
    _validate_load_balancer_fields(service, here)
    _validate_traffic(service, here)


def _validate_external_name(service: Service, problems: Problems) -> None:
    for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if getattr(service.spec, field):
            problems.at(field).forbidden("may not be set for ExternalName services")
    name = service.spec.externalName.removesuffix(".")
    if name:
        report(names.dns_subdomain(name), name, problems, "externalName")
    else:
        problems.at("externalName").required()


def _validate_ports(ports: list[ServicePort], problems: Problems) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = problems.at(index)
        if port.name:
            report(names.dns_label(port.name), port.name, here, "name")
            if port.name in seen:
                here.at("name").duplicate(port.name)
            seen.add(port.name)
        elif len(ports) > 1:
            here.at("name").required()
        report(names.port_number(port.port), port.port, here, "port")
        one_of(port.protocol, PORT_PROTOCOLS, here, "protocol")
        port_or_name(port.targetPort, here, "targetPort")
        if port.appProtocol is not None:
            report(names.qualified_name(port.appProtocol), port.appProtocol, here, "appProtocol")


def _validate_affinity(service: Service, problems: Problems) -> None:
    spec, here = service.spec, problems.at("sessionAffinityConfig")
    one_of(spec.sessionAffinity, ("ClientIP", "None"), problems, "sessionAffinity")
    config = spec.sessionAffinityConfig
    if spec.sessionAffinity == "None" and config is not None:
        here.forbidden("must not be set when session affinity is None")
    if spec.sessionAffinity != "ClientIP":
        return
    needed = "when session affinity type is ClientIP"
    if config is None:
        here.required(needed)
    elif config.clientIP is None:
        here.at("clientIP").required(needed)
    elif config.clientIP.timeoutSeconds is None:
        here.at("clientIP", "timeoutSeconds").required(needed)
    elif not 0 < config.clientIP.timeoutSeconds <= LONGEST_AFFINITY_SECONDS:
        message = f"must be greater than 0 and less than {LONGEST_AFFINITY_SECONDS}"
        here.at("clientIP", "timeoutSeconds").invalid(config.clientIP.timeoutSeconds, message)


def validate_cluster_ips(service: Service, problems: Problems) -> None:
    """Whether addresses and families agree; `problems` stands at the spec. Also asked before anything is allocated."""
    spec, here = service.spec, problems.at("clusterIPs")
    if spec.type == "ExternalName":
        return
    if spec.clusterIP and not spec.clusterIPs:
        here.required()
    elif spec.clusterIP and spec.clusterIPs[0] != spec.clusterIP:
        here.invalid(spec.clusterIPs, "first value must match `clusterIP`")
    elif spec.clusterIPs and not spec.clusterIP:
        here.invalid(spec.clusterIPs, "must be empty when `clusterIP` is not specified")
    for index, family in enumerate(spec.ipFamilies):
        if family not in ("IPv4", "IPv6"):
            problems.at("ipFamilies", index).not_supported(family, ("IPv4", "IPv6"))
        if family in spec.ipFamilies[:index]:
            problems.at("ipFamilies", index).duplicate(family)
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    optional_one_of(spec.ipFamilyPolicy, policies, problems, "ipFamilyPolicy")
    valid = [_validate_cluster_ip(service, index, here) for index in range(len(spec.clusterIPs))]
    if len(spec.clusterIPs) > 2:
        here.invalid(spec.clusterIPs, "may only hold up to 2 values")
    if not all(valid):
        return
    if len(spec.clusterIPs) > 1 and not dual_stack(spec.clusterIPs):
        here.invalid(spec.clusterIPs, ONE_A_FAMILY)
    if not is_headless(service):
        _validate_families(service, here)


def _validate_cluster_ip(service: Service, index: int, problems: Problems) -> bool:
    values = service.spec.clusterIPs
    if index == 0 and values[0] == HEADLESS:
        if len(values) > 1:
            problems.invalid(values, "'None' must be the first and only value")
        return len(values) == 1
    return validate_address(values[index], problems.at(index))


def _validate_families(service: Service, problems: Problems) -> None:
    pairs = zip(service.spec.clusterIPs, service.spec.ipFamilies, strict=False)
    for index, (address, family) in enumerate(pairs):
        if family in ("IPv4", "IPv6") and is_ipv6(address) != (family == "IPv6"):
            problems.at(index).invalid(address, f"expected an {family} value as indicated by `ipFamilies[{index}]`")


def _validate_node_ports(service: Service, problems: Problems) -> None:
    taken: set[tuple[str, int]] = set()
    numbers: set[tuple[str, int]] = set()
    for index, port in enumerate(service.spec.ports):
        here = problems.at(index)
        if port.nodePort:
            if service.spec.type == "ClusterIP":
                here.at("nodePort").forbidden("may not be used when `type` is 'ClusterIP'")
            if (port.protocol, port.nodePort) in taken:
                here.at("nodePort").duplicate(port.nodePort)
            taken.add((port.protocol, port.nodePort))
        if (port.protocol, port.port) in numbers:
            # Upstream shows the internal type, whose JSON has Go's own names.
            shown = f'"Name":"","Protocol":"{port.protocol}","AppProtocol":null,"Port":{port.port},"TargetPort":0,"NodePort":0'
            here.duplicate(msgspec.Raw(f"{{{shown}}}".encode()))
        numbers.add((port.protocol, port.port))


def _validate_load_balancer_fields(service: Service, problems: Problems) -> None:
    spec, balanced = service.spec, service.spec.type == "LoadBalancer"
    here = problems.at("LoadBalancerSourceRanges")
    if spec.loadBalancerSourceRanges and not balanced:
        here.forbidden(ONLY_LOAD_BALANCER)
    for index, value in enumerate(spec.loadBalancerSourceRanges):
        validate_range(value.strip(), here.at(index))
    if not spec.loadBalancerSourceRanges and SOURCE_RANGES in service.metadata.annotations:
        _validate_range_annotation(service, balanced, problems)
    if spec.allocateLoadBalancerNodePorts is not None and not balanced:
        problems.at("allocateLoadBalancerNodePorts").forbidden(ONLY_LOAD_BALANCER)
    if spec.loadBalancerClass is not None:
        here = problems.at("loadBalancerClass")
        if balanced:
            report(names.qualified_name(spec.loadBalancerClass), spec.loadBalancerClass, here)
        else:
            here.forbidden(ONLY_LOAD_BALANCER)


def _validate_range_annotation(service: Service, balanced: bool, problems: Problems) -> None:
    """The annotation that the field came from is still read, where the field says nothing."""
    here = Problems("metadata", problems.found).at("annotations", f"[{SOURCE_RANGES}]")
    if not balanced:
        here.forbidden(ONLY_LOAD_BALANCER)
    text = service.metadata.annotations[SOURCE_RANGES].strip()
    for value in text.split(",") if text else ():
        validate_range(value.strip(), here)


def _validate_traffic(service: Service, problems: Problems) -> None:
    spec = service.spec
    here = problems.at("externalTrafficPolicy")
    if externally_accessible(service):
        one_of(spec.externalTrafficPolicy, ("Cluster", "Local"), here)
    elif spec.externalTrafficPolicy:
        here.invalid(spec.externalTrafficPolicy, "may only be set for externally-accessible services")
    here = problems.at("healthCheckNodePort")
    if spec.healthCheckNodePort and not needs_health_check(service):
        message = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        here.invalid(spec.healthCheckNodePort, message)
    elif spec.healthCheckNodePort:
        report(names.port_number(spec.healthCheckNodePort), spec.healthCheckNodePort, here)
    here = problems.at("internalTrafficPolicy")
    if needs_cluster_ip(service):
        if spec.internalTrafficPolicy is None:
            here.required()
        else:
            optional_one_of(spec.internalTrafficPolicy, ("Cluster", "Local"), here)
    else:
        optional_one_of(spec.internalTrafficPolicy, ("Cluster", "Local"), here)
    optional_one_of(spec.trafficDistribution, ("PreferClose", "PreferSameZone", "PreferSameNode"), problems, "trafficDistribution")


def validate_service_update(old: Service, new: Service, problems: Problems) -> None:
    """Addresses, families, class and health check port that are set once. Upstream: ValidateServiceUpdate."""
    if "ExternalName" not in (old.spec.type, new.spec.type):
        if not (is_headless(old) and is_headless(new)):
            _validate_set_once(old, new, "clusterIPs", problems)
        if not is_headless(old) and not is_headless(new):
            _validate_set_once(old, new, "ipFamilies", problems)
    if old.spec.type == new.spec.type == "LoadBalancer" and old.spec.loadBalancerClass != new.spec.loadBalancerClass:
        problems.at("spec", "loadBalancerClass").invalid(new.spec.loadBalancerClass, SET_ONCE)
    if needs_health_check(old) and needs_health_check(new) and old.spec.healthCheckNodePort != new.spec.healthCheckNodePort:
        problems.at("spec", "healthCheckNodePort").forbidden("field is immutable")


def _validate_set_once(old: Service, new: Service, field: str, problems: Problems) -> None:
    """The first value stays; a second one may come and go."""
    before, after = getattr(old.spec, field), getattr(new.spec, field)
    here = problems.at("spec", field)
    called = "clusterIP" if field == "clusterIPs" else "ipFamily"
    if len(before) == len(after):
        for index, value in enumerate(before):
            if value != after[index]:
                here.at(index if field == "clusterIPs" else 0).invalid(after, SET_ONCE)
        return
    if before and not after:
        here.at(0).invalid(after or NO_LIST, f"primary {called} can not be unset")
    elif before and after[0] != before[0]:
        here.at(0).invalid(after, SET_ONCE)
    if len(before) > len(after) == 1 and new.spec.ipFamilyPolicy != "SingleStack":
        message = f"must be set to 'SingleStack' when releasing the secondary {called}"
        problems.at("spec", "ipFamilyPolicy").invalid(new.spec.ipFamilyPolicy or None, message)


def validate_load_balancer(service: Service, problems: Problems) -> None:
    """Ingress points of a load balancer's status. Upstream: ValidateLoadBalancerStatus."""
    ingress = problems.at("ingress")
    if service.spec.type != "LoadBalancer":
        if service.status.loadBalancer.ingress:
            ingress.forbidden("may only be used when `spec.type` is 'LoadBalancer'")
        return
    for index, entry in enumerate(service.status.loadBalancer.ingress):
        here = ingress.at(index)
        if entry.ip:
            validate_address(entry.ip, here.at("ip"))
            if entry.ipMode is None:
                here.at("ipMode").required("must be specified when `ip` is set")
            else:
                optional_one_of(entry.ipMode, ("Proxy", "VIP"), here, "ipMode")
        elif entry.ipMode is not None:
            here.at("ipMode").forbidden("may not be specified when `ip` is not set")
        if entry.hostname:
            report(names.dns_subdomain(entry.hostname), entry.hostname, here, "hostname")
            if parsed(entry.hostname):
                here.at("hostname").invalid(entry.hostname, "must be a DNS name, not an IP address")
