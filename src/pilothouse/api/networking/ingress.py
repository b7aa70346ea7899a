"""Ingress: HTTP routes to Services."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api import wellknown
from pilothouse.api.core.columns import NONE, load_balancer_text
from pilothouse.api.core.validation.addresses import parsed, validate_address
from pilothouse.api.core.validation.fields import NO_LIST, report, validate_reference
from pilothouse.api.types.networking_v1 import HTTPIngressPath, Ingress, IngressBackend
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import Strategy

SHOWN_HOSTS = 3
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
BAD_ENDINGS = ("/..", "/.")


def _hosts(ingress: Ingress) -> str:
    hosts = [rule.host for rule in ingress.spec.rules[:SHOWN_HOSTS] if rule.host]
    if not hosts:
        return "*"
    more = len(ingress.spec.rules) - SHOWN_HOSTS
    return ",".join(hosts) + (f" + {more} more..." if more > 0 else "")


INGRESS = Resource(
    Ingress,
    plural="ingresses",
    short_names=("ing",),
    subresources=(STATUS,),
    columns=(
        Column("Class", lambda ingress: ingress.spec.ingressClassName or NONE),
        Column("Hosts", _hosts),
        Column("Address", lambda ingress: load_balancer_text(ingress.status.loadBalancer.ingress)),
        Column("Ports", lambda ingress: "80, 443" if ingress.spec.tls else "80"),
        AGE,
    ),
    strategy=Strategy(validates_generate_name=True, storage_prefix="ingress"),
)


@INGRESS.validate
def validate(ingress: Ingress, problems: Problems) -> None:
    """Backends, hosts, paths, TLS and class. Upstream: ValidateIngressCreate."""
    spec, here = ingress.spec, problems.at("spec")
    if not spec.rules and spec.defaultBackend is None:
        here.invalid(NO_LIST, "either `defaultBackend` or `rules` must be specified")
    if spec.defaultBackend:
        _validate_backend(spec.defaultBackend, here.at("defaultBackend"))
    for index, rule in enumerate(spec.rules):
        if rule.host:
            _validate_host(rule.host, here.at("rules", index, "host"))
        for position, path in enumerate((rule.http.paths or ()) if rule.http else ()):
            _validate_path(path, here.at("rules", index, "http", "paths", position))
        if rule.http and not rule.http.paths:
            here.at("rules", index, "http", "paths").required()
    for index, tls in enumerate(spec.tls):
        for position, host in enumerate(tls.hosts):
            report(_host_rule(host), host, here, "tls", index, "hosts", position)
        if tls.secretName:
            report(names.dns_subdomain(tls.secretName), tls.secretName, here, "tls", index, "secretName")
    if spec.ingressClassName is not None:
        report(names.dns_subdomain(spec.ingressClassName), spec.ingressClassName, here, "ingressClassName")
        annotated = ingress.metadata.annotations.get(wellknown.INGRESS_CLASS, spec.ingressClassName)
        if not ingress.metadata.resourceVersion and annotated != spec.ingressClassName:
            # Upstream asks only when it is new, and leaves `metadata` out of the path.
            message = "must match `ingressClassName` when both are specified"
            problems.at("annotations", wellknown.INGRESS_CLASS).invalid(annotated, message)


def _host_rule(host: str) -> list[str]:
    return names.wildcard_subdomain(host) if "*" in host else names.dns_subdomain(host)


def _validate_host(host: str, problems: Problems) -> None:
    if parsed(host):
        problems.invalid(host, "must be a DNS name, not an IP address")
    report(_host_rule(host), host, problems)


def _validate_path(path: HTTPIngressPath, problems: Problems) -> None:
    here = problems.at("path")
    if path.pathType is None:
        problems.at("pathType").required("pathType must be specified")
        return
    if path.pathType not in PATH_TYPES:
        problems.at("pathType").not_supported(path.pathType, PATH_TYPES)
    elif path.pathType == "ImplementationSpecific":
        if path.path and not path.path.startswith("/"):
            here.invalid(path.path, "must be an absolute path")
    else:
        if not path.path.startswith("/"):
            here.invalid(path.path, "must be an absolute path")
        for bad in BAD_SEQUENCES:
            if bad in path.path:
                here.invalid(path.path, f"must not contain '{bad}'")
        for bad in BAD_ENDINGS:
            if path.path.endswith(bad):
                here.invalid(path.path, f"cannot end with '{bad}'")
    _validate_backend(path.backend, problems.at("backend"))


def _validate_backend(backend: IngressBackend, problems: Problems) -> None:
    if backend.resource and backend.service:
        problems.invalid("", "cannot set both resource and service backends")
    elif backend.resource:
        validate_reference(backend.resource, problems.at("resource"))
    elif backend.service is None:
        problems.invalid("", "resource or service backend is required")
    else:
        _validate_service(backend, problems)


def _validate_service(backend: IngressBackend, problems: Problems) -> None:
    service = backend.service
    assert service is not None
    if not service.name:
        problems.at("service", "name").required()
    else:
        report(names.dns_label(service.name), service.name, problems, "service", "name")
    name, number = (service.port.name, service.port.number) if service.port else ("", None)
    if name and number:
        problems.invalid("", "cannot set both port name & port number")
    elif name:
        report(names.port_name(name), name, problems, "service", "port", "name")
    elif number:
        report(names.port_number(number), number, problems, "service", "port", "number")
    else:
        problems.required("port name or number is required")


@INGRESS.validate_status
def validate_status(old: Ingress, new: Ingress, problems: Problems) -> None:
    """Addresses and host names of the load balancer. Upstream: ValidateIngressLoadBalancerStatus."""
    for index, point in enumerate(new.status.loadBalancer.ingress):
        here = problems.at("status", "loadBalancer", "ingress", index)
        if point.ip:
            validate_address(point.ip, here.at("ip"))
        if point.hostname:
            report(names.dns_subdomain(point.hostname), point.hostname, here, "hostname")
            if parsed(point.hostname):
                here.at("hostname").invalid(point.hostname, "must be a DNS name, not an IP address")


@INGRESS.warn
def warn(new: Ingress, old: Ingress | None) -> Iterator[str]:
    """A warning for the deprecated annotation of the class."""
    if wellknown.INGRESS_CLASS in new.metadata.annotations and old is None:
        yield f"annotation \"{wellknown.INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"
