"""IngressClass: a kind of ingress controller."""

from __future__ import annotations

from pilothouse.api.core.columns import NONE
from pilothouse.api.core.validation.fields import immutable, one_of, report, validate_prefixed_path, validate_reference
from pilothouse.api.types.networking_v1 import IngressClass
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource

LONGEST_CONTROLLER = 250


def _parameters(one: IngressClass) -> str:
    found = one.spec.parameters
    if found is None:
        return NONE
    kind = f"{found.kind}.{found.apiGroup}" if found.apiGroup else found.kind
    return f"{kind}/{found.name}"


INGRESSCLASS = Resource(
    IngressClass,
    plural="ingressclasses",
    namespaced=False,
    columns=(Column("Controller", lambda one: one.spec.controller), Column("Parameters", _parameters), AGE),
)


@INGRESSCLASS.default
def default(one: IngressClass) -> None:
    if one.spec.parameters and one.spec.parameters.scope is None:
        one.spec.parameters.scope = "Cluster"


@INGRESSCLASS.validate
def validate(one: IngressClass, problems: Problems) -> None:
    controller, here = one.spec.controller, problems.at("spec", "controller")
    if len(controller) > LONGEST_CONTROLLER:
        here.too_long(LONGEST_CONTROLLER)
    validate_prefixed_path(controller, here)
    parameters, here = one.spec.parameters, problems.at("spec", "parameters")
    if parameters is None:
        return
    validate_reference(parameters, here)
    one_of(parameters.scope or "", ("Cluster", "Namespace"), here, "scope")
    if parameters.scope == "Namespace":
        if not parameters.namespace:
            here.at("namespace").required("`parameters.scope` is set to 'Namespace'")
        else:
            report(names.dns_label(parameters.namespace), parameters.namespace, here, "namespace")
    if parameters.scope == "Cluster" and parameters.namespace:
        here.at("namespace").forbidden("`parameters.scope` is set to 'Cluster'")


@INGRESSCLASS.validate_update
def validate_update(old: IngressClass, new: IngressClass, problems: Problems) -> None:
    immutable(new.spec.controller, old.spec.controller, problems, "spec", "controller")
