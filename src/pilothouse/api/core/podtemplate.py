"""PodTemplate: a template that Pods are made of."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.core.columns import labels_text, template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.validation.podspec import validate_pod_template
from pilothouse.api.core.warnings.podspec import of_template
from pilothouse.api.types.core_v1 import PodTemplate
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Column, Resource
from pilothouse.machinery.strategy import Strategy

_containers, _images = template_columns(lambda pod_template: pod_template.template)

PODTEMPLATE = Resource(
    PodTemplate,
    plural="podtemplates",
    columns=(
        Column("Containers", _containers.value, description=_containers.description),
        Column("Images", _images.value, description=_images.description),
        Column(
            "Pod Labels",
            lambda pod_template: labels_text(pod_template.template.metadata.labels),
            description="The labels for the pod template.",
        ),
    ),
    strategy=Strategy(returns_deleted_object=True),
)


@PODTEMPLATE.default
def default(pod_template: PodTemplate) -> None:
    """Defaults of the template. Upstream: SetDefaults_PodSpec."""
    default_pod_spec(pod_template.template.spec)


@PODTEMPLATE.validate
def validate(pod_template: PodTemplate, problems: Problems) -> None:
    """Rules of the template. Upstream: ValidatePodTemplate."""
    validate_pod_template(pod_template.template, problems.at("template"))


@PODTEMPLATE.warn
def warn(new: PodTemplate, old: PodTemplate | None) -> Iterator[str]:
    """Warnings for the template when it is new or changes."""
    if old is None or new.template != old.template:
        yield from of_template(new.template, "template")
