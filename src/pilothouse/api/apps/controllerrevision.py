"""ControllerRevision: a snapshot of what a StatefulSet or DaemonSet asked for."""

from __future__ import annotations

from pilothouse.api.core.columns import NONE
from pilothouse.api.types.apps_v1 import ControllerRevision
from pilothouse.machinery import rawextension
from pilothouse.machinery.metadata import controller_of
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy


def _controller(revision: ControllerRevision) -> str:
    owner = controller_of(revision.metadata)
    if owner is None:
        return NONE
    group = owner.apiVersion.rpartition("/")[0]
    return f"{owner.kind}.{group}/{owner.name}".lower() if group else f"{owner.kind}/{owner.name}".lower()


CONTROLLERREVISION = Resource(
    ControllerRevision,
    plural="controllerrevisions",
    columns=(
        Column("Controller", _controller, description="Controller of the object"),
        Column("Revision", lambda revision: revision.revision),
        AGE,
    ),
    strategy=Strategy(validates_generate_name=True, generation=None),
)


@CONTROLLERREVISION.validate
def validate(revision: ControllerRevision, problems: Problems) -> None:
    """`revision` is not negative."""
    if revision.revision < 0:
        problems.at("revision").invalid(revision.revision, "must be greater than or equal to 0")


@CONTROLLERREVISION.validate_create
def validate_create(revision: ControllerRevision, problems: Problems) -> None:
    """`data` is a JSON object. Upstream: ValidateControllerRevisionCreate."""
    if rawextension.is_absent(revision.data):
        problems.at("data").required("data is mandatory")
    elif not rawextension.is_object(revision.data):
        problems.at("data").required("data must be a valid JSON object")


@CONTROLLERREVISION.validate_update
def validate_update(old: ControllerRevision, new: ControllerRevision, problems: Problems) -> None:
    """`data` never changes. Upstream: ValidateControllerRevisionUpdate."""
    if old.data != new.data:
        problems.at("data").invalid(new.data, "field is immutable")
