"""APIService: who serves a group and version."""

from __future__ import annotations

from pilothouse.api.types.apiregistration_v1 import APIService
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource

PORT = 443


def _service(one: APIService) -> str:
    service = one.spec.service
    return f"{service.namespace}/{service.name}" if service else "Local"


def _available(one: APIService) -> str:
    found = next((condition for condition in one.status.conditions if condition.type == "Available"), None)
    if found is None:
        return "Unknown"
    return found.status if found.status == "True" else f"{found.status} ({found.reason})"


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
)


@APISERVICE.default
def default(one: APIService) -> None:
    if one.spec.service:
        one.spec.service.port = one.spec.service.port or PORT


@APISERVICE.validate
def validate(one: APIService, problems: Problems) -> None:
    wanted = f"{one.spec.version}.{one.spec.group}"
    if one.metadata.name != wanted:
        message = f'must be `spec.version+"."+spec.group`: "{wanted}"'
        problems.at("metadata", "name").invalid(one.metadata.name, message)
