"""Shared by mutating and validating webhooks, and policies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pilothouse.api.admissionregistration.rules import validate_client, validate_rule
from pilothouse.api.core.validation.fields import optional_one_of, report
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.types.admissionregistration_v1 import MatchCondition, MatchResources, MutatingWebhook, ValidatingWebhook
from pilothouse.machinery import names
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import Problems

Webhook = MutatingWebhook | ValidatingWebhook

TIMEOUT_SECONDS, LONGEST_TIMEOUT_SECONDS = 10, 30
PORT = 443
MOST_CONDITIONS = 64
EXCLUDED = frozenset(
    {
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authorization.k8s.io", "localsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
    }
)
"""Resources, by (group, plural), that neither webhooks nor policies are asked about: refusing them may break the cluster."""


def default_webhooks(webhooks: Iterable[Webhook]) -> None:
    """Fill in what validating and mutating webhooks leave out: failurePolicy Fail, matchPolicy Equivalent, empty selectors, 10 seconds,
    port 443, scope `*`.
    """
    for webhook in webhooks:
        if webhook.failurePolicy is None:
            webhook.failurePolicy = "Fail"
        if webhook.matchPolicy is None:
            webhook.matchPolicy = "Equivalent"
        webhook.namespaceSelector = webhook.namespaceSelector or LabelSelector()
        webhook.objectSelector = webhook.objectSelector or LabelSelector()
        webhook.timeoutSeconds = TIMEOUT_SECONDS if webhook.timeoutSeconds is None else webhook.timeoutSeconds
        if webhook.clientConfig.service and webhook.clientConfig.service.port is None:
            webhook.clientConfig.service.port = PORT
        for rule in webhook.rules:
            if rule.scope is None:
                rule.scope = "*"


def default_match(resources: MatchResources) -> None:
    """Default the matchResources of a policy or binding."""
    if resources.matchPolicy is None:
        resources.matchPolicy = "Equivalent"
    resources.namespaceSelector = resources.namespaceSelector or LabelSelector()
    resources.objectSelector = resources.objectSelector or LabelSelector()
    for rule in (*resources.resourceRules, *resources.excludeResourceRules):
        if rule.scope is None:
            rule.scope = "*"


def validate_webhooks(webhooks: Sequence[Webhook], old: Sequence[Webhook], problems: Problems) -> None:
    """All webhooks of a configuration; `old` are those that it had. Conditions that no webhook has changed are not judged again."""
    seen: set[str] = set()
    before = [condition for webhook in old for condition in webhook.matchConditions]
    same = len(webhooks) == len(old) and all(
        webhook.matchConditions == other.matchConditions for webhook, other in zip(webhooks, old, strict=True)
    )
    for index, webhook in enumerate(webhooks):
        here = problems.at(index)
        _validate_webhook(webhook, here)
        if not same or not old:
            validate_conditions(webhook.matchConditions, before, here.at("matchConditions"))
        _validate_versions(webhook.admissionReviewVersions or [], here.at("admissionReviewVersions"))
        if webhook.name in seen:
            here.at("name").duplicate(webhook.name)
        seen.add(webhook.name)


def _validate_webhook(webhook: Webhook, problems: Problems) -> None:
    _validate_name(webhook.name, problems.at("name"))
    for index, rule in enumerate(webhook.rules):
        validate_rule(rule, problems.at("rules", index))
    optional_one_of(webhook.failurePolicy, ("Fail", "Ignore"), problems, "failurePolicy")
    optional_one_of(webhook.matchPolicy, ("Equivalent", "Exact"), problems, "matchPolicy")
    if webhook.sideEffects is None:
        problems.at("sideEffects").required("must specify one of None, NoneOnDryRun")
    elif webhook.sideEffects not in ("None", "NoneOnDryRun"):
        problems.at("sideEffects").not_supported(webhook.sideEffects, ("None", "NoneOnDryRun"))
    if webhook.timeoutSeconds is not None and not 1 <= webhook.timeoutSeconds <= LONGEST_TIMEOUT_SECONDS:
        problems.at("timeoutSeconds").invalid(webhook.timeoutSeconds, "the timeout value must be between 1 and 30 seconds")
    validate_label_selector(webhook.namespaceSelector, problems.at("namespaceSelector"))
    validate_label_selector(webhook.objectSelector, problems.at("objectSelector"))
    if isinstance(webhook, MutatingWebhook):
        optional_one_of(webhook.reinvocationPolicy, ("IfNeeded", "Never"), problems, "reinvocationPolicy")
    validate_client(webhook.clientConfig, problems.at("clientConfig"))


def _validate_name(name: str, problems: Problems) -> None:
    messages = names.dns_subdomain(name)
    if not name:
        problems.required()
    elif messages:
        problems.invalid(name, ",".join(messages))
    elif name.count(".") < 2:
        problems.invalid(name, "should be a domain with at least three segments separated by dots")


def _validate_versions(versions: list[str], problems: Problems) -> None:
    if not versions:
        problems.required("must specify one of v1, v1beta1")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            problems.at(index).invalid(version, "duplicate version")
        else:
            report(names.dns1035_label(version), version, problems, index)
    if not set(versions) & {"v1", "v1beta1"}:
        problems.invalid(versions, "must include at least one of v1, v1beta1")


def validate_conditions(
    conditions: list[MatchCondition], before: list[MatchCondition], problems: Problems, *, params: bool = False
) -> None:
    """Validate match conditions: unique names, and expressions that compile.

    `before` are those of the old object; `params`: whether params exist.
    """
    if not conditions:
        return
    from pilothouse.api.expressions.admission import Compiler

    if len(conditions) > MOST_CONDITIONS:
        problems.too_many(len(conditions), MOST_CONDITIONS)
    compiler = Compiler(params=params, composed=False)
    stored = {condition.expression for condition in before}
    for index, condition in enumerate(conditions):
        here, expression = problems.at(index), condition.expression.strip()
        if not expression:
            here.at("expression").required()
        else:
            compiler.compile(expression, "condition", stored=expression in stored).report(here.at("expression"))
        if not condition.name:
            here.at("name").required()
        else:
            report(names.qualified_name(condition.name), condition.name, here, "name")
        if condition.name and condition.name in {each.name for each in conditions[:index]}:
            here.at("name").duplicate(condition.name)


def warnings_of_rules(webhooks: Iterable[Webhook]) -> list[str]:
    """Rules that name a resource which no webhook is asked about."""
    return [
        f"webhooks[{index}].rules[{place}]: {plural}.{group} is excluded from admission webhooks; this rule will have no effect"
        for index, webhook in enumerate(webhooks)
        for place, rule in enumerate(webhook.rules)
        if "*" not in rule.apiGroups and "*" not in rule.resources
        for group, plural in dict.fromkeys((group, plural) for group in rule.apiGroups for plural in rule.resources)
        if (group, plural) in EXCLUDED
    ]
