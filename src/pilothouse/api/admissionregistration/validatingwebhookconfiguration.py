"""ValidatingWebhookConfiguration: webhooks that may refuse a request."""

from __future__ import annotations

from pilothouse.api.admissionregistration.static import reserve_static_names
from pilothouse.api.admissionregistration.webhooks import default_webhooks, validate_webhooks, warnings_of_rules
from pilothouse.api.types.admissionregistration_v1 import ValidatingWebhookConfiguration
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

VALIDATINGWEBHOOKCONFIGURATION = Resource(
    ValidatingWebhookConfiguration,
    plural="validatingwebhookconfigurations",
    categories=("api-extensions",),
    namespaced=False,
    columns=(Column("Webhooks", lambda configuration: len(configuration.webhooks), type="integer"), AGE),
    strategy=Strategy(validates_generate_name=True, any_finalizer=True, allow_unconditional_update=False),
)


@VALIDATINGWEBHOOKCONFIGURATION.default
def default(configuration: ValidatingWebhookConfiguration) -> None:
    """Defaults of each webhook. Upstream: SetDefaults_ValidatingWebhook."""
    default_webhooks(configuration.webhooks)


@VALIDATINGWEBHOOKCONFIGURATION.validate_create
def validate_create(configuration: ValidatingWebhookConfiguration, problems: Problems) -> None:
    """Rules of every webhook. Upstream: ValidateValidatingWebhookConfiguration."""
    validate_webhooks(configuration.webhooks, [], problems.at("webhooks"))


@VALIDATINGWEBHOOKCONFIGURATION.validate_update
def validate_update(old: ValidatingWebhookConfiguration, new: ValidatingWebhookConfiguration, problems: Problems) -> None:
    """Rules of every webhook; match conditions of old are not compiled again. Upstream: ValidateValidatingWebhookConfigurationUpdate."""
    validate_webhooks(new.webhooks, old.webhooks, problems.at("webhooks"))


@VALIDATINGWEBHOOKCONFIGURATION.warn
def warn(new: ValidatingWebhookConfiguration, old: ValidatingWebhookConfiguration | None) -> list[str]:
    """Warnings for rules that can never match."""
    return warnings_of_rules(new.webhooks)


reserve_static_names(VALIDATINGWEBHOOKCONFIGURATION)
