"""IngressClass: a kind of ingress controller."""

from __future__ import annotations

from pilothouse.api.core.columns import NONE
from pilothouse.api.core.validation.fields import immutable, report, validate_prefixed_path
from pilothouse.api.types.networking_v1 import IngressClass
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

LONGEST_CONTROLLER = 250
SCOPES = ("Cluster", "Namespace")


def _parameters(ingress_class: IngressClass) -> str:
    parameters = ingress_class.spec.parameters
    if parameters is None:
        return NONE
    kind = f"{parameters.kind}.{parameters.apiGroup}" if parameters.apiGroup else parameters.kind
    return f"{kind}/{parameters.name}"


INGRESSCLASS = Resource(
    IngressClass,
    plural="ingressclasses",
    strategy=Strategy(validates_generate_name=True, compares_first=True),
    namespaced=False,
    columns=(Column("Controller", lambda ingress_class: ingress_class.spec.controller), Column("Parameters", _parameters), AGE),
)


@INGRESSCLASS.default
def default(ingress_class: IngressClass) -> None:
    """Parameters have scope Cluster. Upstream: SetDefaults_IngressClass."""
    if ingress_class.spec.parameters and ingress_class.spec.parameters.scope is None:
        ingress_class.spec.parameters.scope = "Cluster"


@INGRESSCLASS.validate
def validate(ingress_class: IngressClass, problems: Problems) -> None:
    """Controller and parameters. Upstream: ValidateIngressClass."""
    controller, here = ingress_class.spec.controller, problems.at("spec", "controller")
    if len(controller) > LONGEST_CONTROLLER:
        here.too_long(LONGEST_CONTROLLER)
    validate_prefixed_path(controller, here)
    parameters, here = ingress_class.spec.parameters, problems.at("spec", "parameters")
    if parameters is None:
        return
    if parameters.apiGroup is not None:
        report(names.dns_subdomain(parameters.apiGroup), parameters.apiGroup, here, "apiGroup")
    for field in ("kind", "name"):
        report(names.path_segment(getattr(parameters, field)), getattr(parameters, field), here, field)
    if parameters.scope not in SCOPES:
        here.at("scope").not_supported(parameters.scope, SCOPES)
    if parameters.scope == "Namespace":
        if parameters.namespace is None:
            here.at("namespace").required("`parameters.scope` is set to 'Namespace'")
        else:
            report(names.dns_label(parameters.namespace), parameters.namespace, here, "namespace")
    if parameters.scope == "Cluster" and parameters.namespace is not None:
        here.at("namespace").forbidden("`parameters.scope` is set to 'Cluster'")
    for field in ("kind", "name"):
        if not getattr(parameters, field):
            here.at(field).required()


@INGRESSCLASS.validate_update
def validate_update(old: IngressClass, new: IngressClass, problems: Problems) -> None:
    """The controller never changes. Upstream: ValidateIngressClassUpdate."""
    immutable(new.spec.controller, old.spec.controller, problems, "spec", "controller")
