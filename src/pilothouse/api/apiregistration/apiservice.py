"""APIService: who serves a group and version."""

from __future__ import annotations

import base64

from pilothouse.api.apiregistration.availability import condition_of, local
from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.apiregistration_v1 import APIService, APIServiceSpec
from pilothouse.machinery import names
from pilothouse.machinery.metadata import maskable
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

PORT = 443
STATUSES = ("True", "False", "Unknown")


def _service(api_service: APIService) -> str:
    service = api_service.spec.service
    return f"{service.namespace}/{service.name}" if service else "Local"


def _available(service: APIService) -> str:
    condition = condition_of(service)
    if condition is None:
        return "Unknown"
    return condition.status if condition.status == "True" else f"{condition.status} ({condition.reason})"


APISERVICE = Resource(
    APIService,
    plural="apiservices",
    categories=("api-extensions",),
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("Service", _service, description="The reference to the service that hosts this API endpoint."),
        Column("Available", _available, description="Whether this service is available."),
        AGE,
    ),
    name_rule=names.path_segment,
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(
        validates_generate_name=True,
        any_finalizer=True,
        allow_unconditional_update=False,
        generation=None,
        status_keeps=METADATA - {"deletionTimestamp"},
        storage_prefix="apiregistration.k8s.io/apiservices",
    ),
)


@APISERVICE.default
def default(service: APIService) -> None:
    """Port 443 for the Service. Upstream: SetDefaults_ServiceReference."""
    if service.spec.service and service.spec.service.port is None:
        service.spec.service.port = PORT


@APISERVICE.prepare_create
def prepare_create(service: APIService) -> None:
    """Set the condition Available of a local APIService."""
    service.status.conditions = []
    if service.spec.service is None:
        condition = local()
        condition.lastTransitionTime = service.metadata.creationTimestamp
        service.status.conditions = [condition]


@APISERVICE.validate
def validate(service: APIService, problems: Problems) -> None:
    """Name `<version>.<group>`, priorities, Service and CA bundle. Upstream: ValidateAPIService."""
    wanted = f"{service.spec.version}.{service.spec.group}"
    message = f'must be `spec.version+"."+spec.group`: "{wanted}"'
    if service.metadata.generateName and maskable(service.metadata.generateName) != wanted:
        problems.at("metadata", "generateName").invalid(service.metadata.generateName, message)
    if service.metadata.name and service.metadata.name != wanted:
        problems.at("metadata", "name").invalid(service.metadata.name, message)
    _validate_spec(service.spec, problems.at("spec"))


def _validate_spec(spec: APIServiceSpec, here: Problems) -> None:
    if not spec.group and spec.version != "v1":
        here.at("group").required("only v1 may have an empty group and it better be legacy kube")
    if spec.group:
        report(names.dns_subdomain(spec.group), spec.group, here, "group")
    report(names.dns1035_label(spec.version), spec.version, here, "version")
    for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        if not 0 < getattr(spec, field) <= most:
            here.at(field).invalid(getattr(spec, field), f"must be positive and less than {most}")
    service = spec.service
    if service is None:
        if spec.caBundle:
            here.at("caBundle").invalid(f"{len(base64.b64decode(spec.caBundle))} bytes", "local APIServices may not have a caBundle")
        if spec.insecureSkipTLSVerify:
            here.at("insecureSkipTLSVerify").invalid(True, "local APIServices may not have insecureSkipTLSVerify")
        return
    for field in ("namespace", "name"):
        if not getattr(service, field):
            here.at("service", field).required()
    wrong = names.port_number(service.port or 0)
    if wrong:
        here.at("service", "port").invalid(service.port, f"port is not valid: {', '.join(wrong)}")
    if spec.insecureSkipTLSVerify and spec.caBundle:
        here.at("insecureSkipTLSVerify").invalid(True, "may not be true if caBundle is present")


@APISERVICE.validate_status
def validate_status(old: APIService, new: APIService, problems: Problems) -> None:
    """Each condition's status is True, False or Unknown. Upstream: ValidateAPIServiceStatusUpdate."""
    for index, condition in enumerate(new.status.conditions):
        if condition.status not in STATUSES:
            problems.at("status", "conditions", index, "status").not_supported(condition.status, STATUSES)
