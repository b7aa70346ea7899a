"""ComponentStatus: the health of a component of the control plane; deprecated upstream, read only."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import ComponentCondition, ComponentStatus
from pilothouse.machinery.resource import Column, Resource


def _healthy(component_status: ComponentStatus) -> ComponentCondition:
    return next((condition for condition in component_status.conditions if condition.type == "Healthy"), ComponentCondition())


def _status(component_status: ComponentStatus) -> str:
    return {"True": "Healthy", "": "Unknown"}.get(_healthy(component_status).status, "Unhealthy")


COMPONENTSTATUS = Resource(
    ComponentStatus,
    plural="componentstatuses",
    short_names=("cs",),
    namespaced=False,
    verbs=("get", "list"),
    columns=(
        Column("Status", _status, description="Status of the component conditions"),
        Column("Message", lambda component_status: _healthy(component_status).message, description="Message of the component conditions"),
        Column("Error", lambda component_status: _healthy(component_status).error, description="Error of the component conditions"),
    ),
)
