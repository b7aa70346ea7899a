"""MutatingWebhookConfiguration: webhooks that may change a request."""

from __future__ import annotations

from pilothouse.api.admissionregistration.static import reserve_static_names
from pilothouse.api.admissionregistration.webhooks import default_webhooks, validate_webhooks, warnings_of_rules
from pilothouse.api.types.admissionregistration_v1 import MutatingWebhookConfiguration
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

MUTATINGWEBHOOKCONFIGURATION = Resource(
    MutatingWebhookConfiguration,
    plural="mutatingwebhookconfigurations",
    categories=("api-extensions",),
    namespaced=False,
    columns=(Column("Webhooks", lambda configuration: len(configuration.webhooks), type="integer"), AGE),
    strategy=Strategy(validates_generate_name=True, any_finalizer=True, allow_unconditional_update=False),
)


@MUTATINGWEBHOOKCONFIGURATION.default
def default(configuration: MutatingWebhookConfiguration) -> None:
    """Defaults of each webhook, with reinvocationPolicy Never. Upstream: SetDefaults_MutatingWebhook."""
    default_webhooks(configuration.webhooks)
    for webhook in configuration.webhooks:
        if webhook.reinvocationPolicy is None:
            webhook.reinvocationPolicy = "Never"


@MUTATINGWEBHOOKCONFIGURATION.validate_create
def validate_create(configuration: MutatingWebhookConfiguration, problems: Problems) -> None:
    """Rules of every webhook. Upstream: ValidateMutatingWebhookConfiguration."""
    validate_webhooks(configuration.webhooks, [], problems.at("webhooks"))


@MUTATINGWEBHOOKCONFIGURATION.validate_update
def validate_update(old: MutatingWebhookConfiguration, new: MutatingWebhookConfiguration, problems: Problems) -> None:
    """Rules of every webhook; match conditions of old are not compiled again. Upstream: ValidateMutatingWebhookConfigurationUpdate."""
    validate_webhooks(new.webhooks, old.webhooks, problems.at("webhooks"))


@MUTATINGWEBHOOKCONFIGURATION.warn
def warn(new: MutatingWebhookConfiguration, old: MutatingWebhookConfiguration | None) -> list[str]:
    """Warnings for rules that can never match."""
    return warnings_of_rules(new.webhooks)


reserve_static_names(MUTATINGWEBHOOKCONFIGURATION)
