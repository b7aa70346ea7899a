"""AuthorizationConfiguration: what is wrong with one, in upstream's words and order; and what its webhooks are."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pilothouse.apiserver.auth.configuration.apiserver_v1 import AuthorizationConfiguration, AuthorizerConfiguration, WebhookConfiguration
from pilothouse.apiserver.auth.configuration.loading import load
from pilothouse.apiserver.auth.webhookauthorizer import Policy
from pilothouse.apiserver.auth.webhookconditions import compile_conditions
from pilothouse.machinery import names, time
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import aggregate

WEBHOOK = "Webhook"
TYPES = ("ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", WEBHOOK)
VERSIONS = ("v1", "v1beta1")
NO_OPINION, DENY = "NoOpinion", "Deny"
IN_CLUSTER, FILE = "InClusterConfig", "KubeConfigFile"
MOST_SECONDS = 30.0
AUTHORIZED_TTL, UNAUTHORIZED_TTL = "5m", "30s"


class ShownConnection(msgspec.Struct):
    """A connectionInfo as Go shows its own."""

    Type: str
    KubeConfigFile: str | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook of a configuration that is valid."""

    policy: Policy
    kubeconfig: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Authorization:
    """Who decides, in order: names of modes, or webhooks."""

    authorizers: tuple[tuple[str, str | Webhook], ...]
    """(name, mode or webhook)."""

    @property
    def modes(self) -> list[str]:
        """Those that are no webhooks."""
        return [mode for _, mode in self.authorizers if isinstance(mode, str)]


def authorization_in(data: bytes) -> Authorization:
    """The authorizers that a file names. ValueError in upstream's words."""
    try:
        configuration = load(data, AuthorizationConfiguration) if data else AuthorizationConfiguration()
        for authorizer in configuration.authorizers:
            _check_durations(authorizer.webhook)
    except ValueError as error:
        raise ValueError(f"failed to load AuthorizationConfiguration from file: {error}") from error
    problems = Problems()
    authorizers = _validated(configuration, problems)
    if problems:
        raise ValueError(aggregate(map(str, problems.found)))
    wrong = [
        f"expected name {each.type.lower()} for authorizer {each.type} instead of {each.name}"
        for each in configuration.authorizers
        if each.type != WEBHOOK and each.name != each.type.lower()
    ]
    if wrong:
        raise ValueError(aggregate(wrong))
    return Authorization(tuple(authorizers))


def _check_durations(webhook: WebhookConfiguration | None) -> None:
    for text in () if webhook is None else (webhook.authorizedTTL, webhook.unauthorizedTTL, webhook.timeout):
        if text:
            time.duration(text)


def _validated(configuration: AuthorizationConfiguration, problems: Problems) -> list[tuple[str, str | Webhook]]:
    """The authorizers that can be made; what is wrong is reported."""
    at = problems.at("authorizers")
    if not configuration.authorizers:
        at.required("at least one authorization mode must be defined")
    types: set[str] = set()
    taken: set[str] = set()
    authorizers: list[tuple[str, str | Webhook]] = []
    for index, authorizer in enumerate(configuration.authorizers):
        here = at.at(index)
        if not authorizer.type:
            here.at("type").required()
        elif authorizer.type not in TYPES:
            here.at("type").not_supported(authorizer.type, TYPES)
        elif authorizer.type in types and authorizer.type != WEBHOOK:
            here.at("type").duplicate(authorizer.type)
        else:
            types.add(authorizer.type)
            _validate_name(authorizer.name, taken, here.at("name"))
            authorizers.extend(_made(authorizer, here))
    return authorizers


def _validate_name(name: str, taken: set[str], problems: Problems) -> None:
    if not name:
        problems.required()
    elif name in taken:
        problems.duplicate(name)
    elif messages := names.dns_subdomain(name):
        problems.invalid(name, f"authorizer name is invalid: {', '.join(messages)}")
    taken.add(name)


def _made(authorizer: AuthorizerConfiguration, problems: Problems) -> list[tuple[str, str | Webhook]]:
    if authorizer.type != WEBHOOK:
        if authorizer.webhook is not None:
            problems.at("webhook").invalid("non-null", "may only be specified when type=Webhook")
        return [(authorizer.name, authorizer.type)]
    if authorizer.webhook is None:
        problems.at("webhook").required("required when type=Webhook")
        return []
    return [(authorizer.name, _webhook(authorizer.name, authorizer.webhook, problems))]


def _webhook(name: str, webhook: WebhookConfiguration, problems: Problems) -> Webhook:
    seconds = _seconds(webhook.timeout)
    if seconds == 0:
        problems.at("timeout").required()
    elif not 0 < seconds <= MOST_SECONDS:
        problems.at("timeout").invalid(time.duration_text(round(seconds * 1e9)), "must be > 0s and <= 30s")
    kept = []
    for field, default in (("authorizedTTL", AUTHORIZED_TTL), ("unauthorizedTTL", UNAUTHORIZED_TTL)):
        lasting = _seconds(getattr(webhook, field)) or time.duration(default)
        if lasting < 0:
            problems.at(field).invalid(time.duration_text(round(lasting * 1e9)), "must be > 0s")
        kept.append(lasting)
    _validate_choice(webhook.subjectAccessReviewVersion, VERSIONS, problems.at("subjectAccessReviewVersion"))
    _validate_condition_version(webhook, problems.at("matchConditionSubjectAccessReviewVersion"))
    _validate_choice(webhook.failurePolicy, (NO_OPINION, DENY), problems.at("failurePolicy"))
    _validate_connection(webhook, problems.at("connectionInfo"))
    conditions = compile_conditions([each.expression for each in webhook.matchConditions], problems.at("matchConditions"))
    caches = webhook.cacheAuthorizedRequests, webhook.cacheUnauthorizedRequests
    authorized, unauthorized = (0.0 if is_cached is False else lasting for is_cached, lasting in zip(caches, kept, strict=True))
    denies = webhook.failurePolicy == DENY
    policy = Policy(name, webhook.subjectAccessReviewVersion, conditions, authorized, unauthorized, denies)
    return Webhook(policy, webhook.connectionInfo.kubeConfigFile or "", seconds)


def _seconds(text: str) -> float:
    return time.duration(text) if text else 0.0


def _validate_choice(value: str, choices: Sequence[str], problems: Problems) -> None:
    if not value:
        problems.required()
    elif value not in choices:
        problems.not_supported(value, choices)


def _validate_condition_version(webhook: WebhookConfiguration, problems: Problems) -> None:
    version = webhook.matchConditionSubjectAccessReviewVersion
    if not version and webhook.matchConditions:
        problems.required("required if match conditions are specified")
    elif version not in ("", "v1"):
        problems.not_supported(version, ("v1",))


def _validate_connection(webhook: WebhookConfiguration, problems: Problems) -> None:
    kind, path = webhook.connectionInfo.type, webhook.connectionInfo.kubeConfigFile
    at = problems.at("kubeConfigFile")
    if not kind:
        problems.at("type").required()
    elif kind == IN_CLUSTER:
        if path is not None:
            at.invalid(path, "can only be set when type=KubeConfigFile")
    elif kind != FILE:
        problems.at("type").not_supported(ShownConnection(kind, path), (IN_CLUSTER, FILE))
    elif not path:
        at.required()
    elif not os.path.isabs(path):
        at.invalid(path, "must be an absolute path")
    else:
        try:
            is_file = stat.S_ISREG(os.stat(path).st_mode)
        except OSError as error:
            at.invalid(path, f"error loading file: stat {path}: {(error.strerror or '').lower()}")
        else:
            if not is_file:
                at.invalid(path, "must be a regular file")
