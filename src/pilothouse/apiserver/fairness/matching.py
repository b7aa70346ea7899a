"""FlowSchema of a request: the first one, by precedence and name, with a matching rule.

Pure; upstream's rules are in k8s.io/apiserver/pkg/util/flowcontrol/rule.go. A schema whose priority level is missing matches nothing;
the mandatory ones stand even where their objects are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pilothouse.api.types.flowcontrol_v1 import (
    FlowSchema,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfiguration,
    ResourcePolicyRule,
    Subject,
)
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.user import SERVICE_ACCOUNT_PREFIX, User
from pilothouse.apiserver.fairness.defaults import MANDATORY, flow_schemas, priority_levels

T = TypeVar("T", FlowSchema, PriorityLevelConfiguration)


@dataclass(frozen=True, slots=True)
class Flow:
    """A schema and its priority level, with the uids of their objects ("" where there is none)."""

    schema: str
    level: str
    schema_uid: str = ""
    level_uid: str = ""


class FlowTable:
    """The schemas and priority levels of a moment."""

    def __init__(self, schemas: Iterable[FlowSchema], levels: Iterable[PriorityLevelConfiguration]) -> None:
        by_name = {schema.metadata.name: schema for schema in (*_mandatory(flow_schemas()), *schemas)}
        uids = {level.metadata.name: level.metadata.uid for level in (*_mandatory(priority_levels()), *levels)}
        sound = [schema for schema in by_name.values() if schema.spec.priorityLevelConfiguration.name in uids]
        self._schemas = sorted(sound, key=lambda schema: (schema.spec.matchingPrecedence, schema.metadata.name))
        self._uids = uids

    def flow_of(self, user: User, request: Attributes) -> Flow:
        """The flow of a request; the catch-all one where no other schema fits."""
        last = self._schemas[-1]
        schema = next((schema for schema in self._schemas if any(fits(rule, user, request) for rule in schema.spec.rules)), last)
        level = schema.spec.priorityLevelConfiguration.name
        return Flow(schema.metadata.name, level, schema.metadata.uid, self._uids[level])


def _mandatory(objects: Iterable[T]) -> list[T]:
    return [each for each in objects if each.metadata.name in MANDATORY]


def fits(rule: PolicyRulesWithSubjects, user: User, request: Attributes) -> bool:
    """Whether a rule is about a user and what is asked."""
    if not any(is_subject(subject, user) for subject in rule.subjects or ()):
        return False
    if request.path:
        return any(_fits_path(each, request) for each in rule.nonResourceRules)
    return any(_fits_resource(each, request) for each in rule.resourceRules)


def is_subject(subject: Subject, user: User) -> bool:
    """Whether a user is named by a subject."""
    if subject.kind == "User" and subject.user is not None:
        return subject.user.name in ("*", user.name)
    if subject.kind == "Group" and subject.group is not None:
        return subject.group.name == "*" or subject.group.name in user.groups
    if subject.kind == "ServiceAccount" and subject.serviceAccount is not None:
        account = subject.serviceAccount
        prefix = f"{SERVICE_ACCOUNT_PREFIX}{account.namespace}:"
        return user.name.startswith(prefix) if account.name == "*" else user.name == prefix + account.name
    return False


def _has(values: Sequence[str] | None, value: str) -> bool:
    """Whether a list names a value; a star alone names all."""
    return values is not None and (list(values) == ["*"] or value in values)


def _fits_resource(rule: ResourcePolicyRule, request: Attributes) -> bool:
    resource = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    if not (_has(rule.verbs, request.verb) and _has(rule.resources, resource) and _has(rule.apiGroups, request.group)):
        return False
    return _has(rule.namespaces, request.namespace) if request.namespace else rule.clusterScope


def _fits_path(rule: NonResourcePolicyRule, request: Attributes) -> bool:
    return _has(rule.verbs, request.verb) and any(_is_below(path, request.path) for path in rule.nonResourceURLs or ())


def _is_below(pattern: str, path: str) -> bool:
    if pattern in ("*", path):
        return True
    prefix = pattern.removesuffix("*")
    return path.startswith(prefix if prefix.endswith("/") else prefix + "/")
