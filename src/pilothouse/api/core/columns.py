"""Cells that several kinds show alike: containers of a template, labels, selectors, short lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pilothouse.api.types.core_v1 import PodTemplateSpec
from pilothouse.machinery import labels
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.resource import Column

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"
SHOWN_IN_A_LIST = 3


def template_columns(template: Callable[[Any], PodTemplateSpec | None]) -> tuple[Column, Column]:
    """Containers and Images of a pod template, shown with `-o wide`."""

    def joined(field: str) -> Callable[[Any], str]:
        def cell(obj: Any) -> str:
            pod_template = template(obj)
            return ",".join(getattr(container, field) for container in pod_template.spec.containers) if pod_template else ""

        return cell

    return (
        Column("Containers", joined("name"), priority=1, description="Names of each container in the template."),
        Column("Images", joined("image"), priority=1, description="Images referenced by each container in the template."),
    )


def selector_column(selector: Callable[[Any], LabelSelector | None]) -> Column:
    """The label selector of a workload, shown with `-o wide`."""
    return Column("Selector", lambda obj: selector_text(selector(obj)), priority=1)


def labels_text(labels: Mapping[str, str]) -> str:
    """`a=1,b=2`, in the order of the keys."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or NONE


def selector_text(selector: LabelSelector | None) -> str:
    """A label selector as kubectl writes it."""
    if selector is None:
        return NONE
    try:
        return str(labels.from_label_selector(selector)) or NONE
    except ValueError:
        return "<error>"


def shortened(parts: Sequence[str], empty: str = UNSET, limit: int = SHOWN_IN_A_LIST) -> str:
    """The first parts, and how many more there are."""
    text = ",".join(parts[:limit])
    if len(parts) > limit:
        return f"{text} + {len(parts) - limit} more..."
    return text or empty


def load_balancer_text(ingress: Iterable[Any]) -> str:
    """The addresses of a load balancer, each once."""
    return ",".join(sorted({point.ip or point.hostname for point in ingress if point.ip or point.hostname}))


def bool_text(value: bool | None) -> str:
    """An optional boolean as a cell: `true`, `false`, or unset."""
    return UNSET if value is None else str(value)


NEVER = "0001-01-01T00:00:00Z"
"""How Go writes the time of what was never made (bookmarks)."""
CREATED_AT = Column("Created At", lambda obj: obj.metadata.creationTimestamp or NEVER, type="date", raw=True)
"""What upstream shows of a kind that has no printer of its own."""


def converted(columns: Iterable[Column], to_stored: Callable[[Any], Any]) -> tuple[Column, ...]:
    """The columns of the stored form, for objects in another version."""

    def through(column: Column) -> Column:
        return replace(column, value=lambda obj: column.value(to_stored(obj)))

    return tuple(through(column) for column in columns)
