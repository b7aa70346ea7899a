"""An audit Policy (`audit.k8s.io/v1`): its fields, its validation in upstream's words, and its verdict on a request. Pure.

The first rule that matches a request says how much of it is recorded; without one nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.user import User
from pilothouse.machinery import configfile, names
from pilothouse.machinery.configfile import BadConfiguration
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.struct import Object

NONE, METADATA, REQUEST, REQUEST_RESPONSE = "None", "Metadata", "Request", "RequestResponse"
LEVELS = (NONE, METADATA, REQUEST, REQUEST_RESPONSE)
RECEIVED, STARTED, COMPLETE, PANIC = "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"
STAGES = (RECEIVED, STARTED, COMPLETE, PANIC)
STRICT = "strict decoding error"
NO_KIND = "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy"


class GroupResources(Object):
    """Resources of a group; without `resources` all of them."""

    group: str = ""
    resources: list[str] = []
    resourceNames: list[str] = []


class PolicyRule(Object):
    """Which requests, and how much of them."""

    level: str = ""
    users: list[str] = []
    userGroups: list[str] = []
    verbs: list[str] = []
    resources: list[GroupResources] = []
    namespaces: list[str] = []
    nonResourceURLs: list[str] = []
    omitStages: list[str] = []
    omitManagedFields: bool | None = None


class Policy(Object):
    """A whole file."""

    GVK: ClassVar[tuple[str, str, str]] = ("audit.k8s.io", "v1", "Policy")
    kind: str = ""
    apiVersion: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    rules: list[PolicyRule] = []
    omitStages: list[str] = []
    omitManagedFields: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What is recorded of one request."""

    level: str
    omitted_stages: frozenset[str] = frozenset()
    omits_managed_fields: bool = False

    @property
    def has_requests(self) -> bool:
        """Whether bodies of requests are recorded."""
        return self.level in (REQUEST, REQUEST_RESPONSE)

    @property
    def has_responses(self) -> bool:
        """Whether bodies of answers are recorded."""
        return self.level == REQUEST_RESPONSE


def parse(data: bytes, file: str) -> tuple[Policy, str]:
    """The policy in a file's bytes, and a warning where unknown fields were passed over. BadConfiguration in upstream's words."""
    try:
        return _parsed(data)
    except BadConfiguration as error:
        raise BadConfiguration(f"loading audit policy file: {error}: from file {file}") from error


def _parsed(data: bytes) -> tuple[Policy, str]:
    if not _says_kind(data):
        raise BadConfiguration(NO_KIND)
    warning = ""
    try:
        try:
            policy = configfile.decode(data, Policy)
        except BadConfiguration as error:
            if not str(error).startswith(STRICT):
                raise
            warning = f"Audit policy contains errors, falling back to lenient decoding: {error}"
            policy = configfile.decode(data, Policy, strictness="Ignore")
    except BadConfiguration as error:
        raise BadConfiguration(f"failed decoding: {error}") from error
    problems = Problems()
    validate(policy, problems)
    if problems:
        raise BadConfiguration(configfile.joined(problems.found))
    if not policy.rules:
        raise BadConfiguration("loaded illegal policy with 0 rules")
    return policy, warning


def _says_kind(data: bytes) -> bool:
    """Whether the file names a kind: upstream takes one that does not for its own unversioned Policy, and then refuses that."""
    try:
        return not configfile.is_without_kind(data)
    except ValueError:
        return True


def validate(policy: Policy, problems: Problems) -> None:
    """Report all that is wrong, in upstream's order."""
    _validate_stages(policy.omitStages, problems.at("omitStages"))
    for index, rule in enumerate(policy.rules):
        at = problems.at("rules", index)
        if not rule.level:
            at.at("level").required()
        elif rule.level not in LEVELS:
            at.at("level").not_supported(rule.level, LEVELS)
        _validate_urls(rule.nonResourceURLs, at.at("nonResourceURLs"))
        _validate_resources(rule.resources, at.at("resources"))
        _validate_stages(rule.omitStages, at.at("omitStages"))
        if rule.nonResourceURLs and (rule.resources or rule.namespaces):
            both = "rules cannot apply to both regular resources and non-resource URLs"
            at.at("nonResourceURLs").invalid(rule.nonResourceURLs, both)


def _validate_stages(stages: Sequence[str], problems: Problems) -> None:
    for index, stage in enumerate(stages):
        if stage not in STAGES:
            problems.at(index).invalid(stage, f"allowed stages are {','.join(STAGES)}")


def _validate_urls(urls: Sequence[str], problems: Problems) -> None:
    for index, url in enumerate(urls):
        if url == "*":
            continue
        if not url.startswith("/"):
            problems.at(index).invalid(url, "non-resource URL rules must begin with a '/' character")
        if "*" in url[:-1]:
            problems.at(index).invalid(url, "non-resource URL wildcards '*' must be the final character of the rule")


def _validate_resources(resources: Sequence[GroupResources], problems: Problems) -> None:
    for each in resources:
        if each.group not in ("", "*") and (wrong := names.dns_subdomain(each.group)):
            problems.at("group").invalid(each.group, ",".join(wrong))
        if each.resourceNames and not each.resources:
            problems.at("resourceNames").invalid(each.resourceNames, "using resourceNames requires at least one resource")


class Verdicts:
    """A policy that is asked of requests. What it says of one depends on nothing but user and attributes."""

    def __init__(self, policy: Policy) -> None:
        omitted = frozenset(policy.omitStages)
        self._default = Scope(NONE, omitted, policy.omitManagedFields)
        self._rules = [
            (rule, Scope(rule.level, omitted | frozenset(rule.omitStages), _omits(rule, default=policy.omitManagedFields)))
            for rule in policy.rules
        ]

    def scope_of(self, user: User | None, attributes: Attributes) -> Scope:
        """What is recorded of a request; `user` is None of one that was not authenticated."""
        return next((scope for rule, scope in self._rules if matches(rule, user, attributes)), self._default)


def _omits(rule: PolicyRule, *, default: bool) -> bool:
    return default if rule.omitManagedFields is None else rule.omitManagedFields


def matches(rule: PolicyRule, user: User | None, attributes: Attributes) -> bool:
    """Whether a rule is about a request."""
    if rule.users and (user is None or user.name not in rule.users):
        return False
    if rule.userGroups and (user is None or not any(group in rule.userGroups for group in user.groups)):
        return False
    if rule.verbs and attributes.verb not in rule.verbs:
        return False
    if rule.namespaces or rule.resources:
        return not attributes.path and _is_of_resource(rule, attributes)
    if rule.nonResourceURLs:
        return bool(attributes.path) and any(_is_of_url(url, attributes.path) for url in rule.nonResourceURLs)
    return True


def _is_of_url(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


def _is_of_resource(rule: PolicyRule, attributes: Attributes) -> bool:
    if rule.namespaces and attributes.namespace not in rule.namespaces:
        return False
    return not rule.resources or any(_names(each, attributes) for each in rule.resources)


def _names(each: GroupResources, attributes: Attributes) -> bool:
    """Whether an entry of `resources` names the resource of a request: `pods`, `pods/log`, `*`, `*/log`, `pods/*`."""
    if each.group not in ("*", attributes.group):
        return False
    if not each.resources:
        return True
    if each.resourceNames and attributes.name not in each.resourceNames:
        return False
    plural, subresource = attributes.resource, attributes.subresource
    wanted = {f"{plural}/{subresource}" if subresource else plural, "*", f"{plural}/*"}
    if subresource:
        wanted.add(f"*/{subresource}")
    return not wanted.isdisjoint(each.resources)
