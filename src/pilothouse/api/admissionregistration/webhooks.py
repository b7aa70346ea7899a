"""What webhooks that change, webhooks that refuse, and policies have in common."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.core.validation.fields import one_of, report
from pilothouse.api.types.admissionregistration_v1 import MatchResources, MutatingWebhook, ValidatingWebhook
from pilothouse.machinery import names
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import Problems

TIMEOUT_SECONDS, LONGEST_TIMEOUT_SECONDS = 10, 30
PORT = 443


def default_webhooks(webhooks: Iterable[MutatingWebhook | ValidatingWebhook]) -> None:
    for one in webhooks:
        one.failurePolicy = one.failurePolicy or "Fail"
        one.matchPolicy = one.matchPolicy or "Equivalent"
        one.namespaceSelector = one.namespaceSelector or LabelSelector()
        one.objectSelector = one.objectSelector or LabelSelector()
        one.timeoutSeconds = TIMEOUT_SECONDS if one.timeoutSeconds is None else one.timeoutSeconds
        if one.clientConfig.service:
            one.clientConfig.service.port = one.clientConfig.service.port or PORT
        for rule in one.rules:
            rule.scope = rule.scope or "*"


def default_match(resources: MatchResources) -> None:
    """What a policy or its binding leaves out of where it applies."""
    resources.matchPolicy = resources.matchPolicy or "Equivalent"
    resources.namespaceSelector = resources.namespaceSelector or LabelSelector()
    resources.objectSelector = resources.objectSelector or LabelSelector()
    for rule in (*resources.resourceRules, *resources.excludeResourceRules):
        rule.scope = rule.scope or "*"


def validate_webhooks(webhooks: Iterable[MutatingWebhook | ValidatingWebhook], problems: Problems) -> None:
    seen: set[str] = set()
    for index, one in enumerate(webhooks):
        here = problems.at(index)
        if one.name in seen:
            here.at("name").duplicate(one.name)
        seen.add(one.name)
        found = names.dns_subdomain(one.name)
        report(found, one.name, here, "name")
        if not found and one.name.count(".") < 2:
            here.at("name").invalid(one.name, "should be a domain with at least three segments separated by dots")
        one_of(one.failurePolicy, ("Fail", "Ignore"), here, "failurePolicy")
        one_of(one.matchPolicy, ("Equivalent", "Exact"), here, "matchPolicy")
        if not one.sideEffects:
            here.at("sideEffects").required("must specify one of None, NoneOnDryRun")
        elif one.sideEffects not in ("None", "NoneOnDryRun"):
            here.at("sideEffects").not_supported(one.sideEffects, ("None", "NoneOnDryRun"))
        if not 1 <= (one.timeoutSeconds or 0) <= LONGEST_TIMEOUT_SECONDS:
            here.at("timeoutSeconds").invalid(one.timeoutSeconds, "the timeout value must be between 1 and 30 seconds")
        if not one.admissionReviewVersions:
            message = "must specify one of v1, v1beta1"
            here.at("admissionReviewVersions").required(message)
        if bool(one.clientConfig.url) == bool(one.clientConfig.service):
            here.at("clientConfig").required("exactly one of url or service is required")
