"""An authorizer that asks a webhook by SubjectAccessReviews (upstream: plugin/pkg/authorizer/webhook).

- Conditions in CEL say which questions are put to it. Answers are remembered, those that allow and those that do not each for their time.
- `authorize` knows what is remembered; for anything else it raises Unanswered, and who can wait gets the answer by it.
- What an error means is the failure policy's word: no opinion, or a denial that no other authorizer may change.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pilothouse.apiserver.auth.authorizer import Attributes, Decision, Unanswered, UserRules
from pilothouse.apiserver.auth.user import User
from pilothouse.apiserver.auth.webhookcalls import Ask, AskFailed
from pilothouse.apiserver.auth.webhookconditions import ConditionError, match
from pilothouse.cel.environment import Program
from pilothouse.kit.clock import Clock
from pilothouse.kit.expiring import ExpiringCache
from pilothouse.machinery import fields, labels
from pilothouse.machinery.errors import StatusError

REMEMBERED = 8192
LONGEST_REMEMBERED = 10_000
"""Characters of a question that its asker chooses: longer ones are not remembered."""
BOTH = "webhook subject access review returned both allow and deny response"
OPERATORS = {
    **dict.fromkeys((labels.EQUAL, labels.DOUBLE_EQUAL, labels.IN), "In"),
    **dict.fromkeys((labels.NOT_EQUAL, labels.NOT_IN), "NotIn"),
    labels.EXISTS: "Exists",
    labels.ABSENT: "DoesNotExist",
}
NO_RULES = "webhook authorizer does not support user rule resolution"


class ReviewStatus(msgspec.Struct):
    """What a webhook decides."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""


class Review(msgspec.Struct):
    """The answer of a webhook."""

    status: ReviewStatus = msgspec.field(default_factory=ReviewStatus)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a webhook is asked: the version of its reviews, its conditions, how long answers are remembered, what an error means."""

    name: str
    version: str = "v1"
    conditions: Sequence[Program] = ()
    authorized_seconds: float = 300.0
    unauthorized_seconds: float = 30.0
    denies_on_error: bool = False


class WebhookMetrics:
    """What is counted of all authorization webhooks; a collector of prometheus-client."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], int] = {}

    def count(self, family: str, name: str, result: str = "") -> None:
        """Count once under one of FAMILIES."""
        key = family, name, result
        self._counts[key] = self._counts.get(key, 0) + 1

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        from prometheus_client.core import CounterMetricFamily

        for name, (text, labelled) in FAMILIES.items():
            family = CounterMetricFamily(f"apiserver_authorization_{name}_total", text, labels=labelled)
            for (counted, webhook, result), number in self._counts.items():
                if counted == name:
                    family.add_metric((webhook, result) if labelled == RESULTS else ("Webhook", webhook), number)
            yield family


RESULTS, TYPES = ("name", "result"), ("type", "name")
FAMILIES = {
    "webhook_evaluations": ("Round-trips to authorization webhooks.", RESULTS),
    "webhook_evaluations_fail_open": ("NoOpinion results due to webhook timeout or error.", RESULTS),
    "match_condition_evaluation_errors": (
        "Total number of errors when an authorization webhook encounters a match condition error split by authorizer type and name.",
        TYPES,
    ),
    "match_condition_exclusions": (
        "Total number of exclusions when an authorization webhook is skipped because match conditions exclude it.",
        TYPES,
    ),
}


@dataclass(slots=True)
class WebhookAuthorizer:
    """One webhook; `ask` puts a review to it."""

    policy: Policy
    ask: Ask
    clock: Clock
    metrics: WebhookMetrics = field(default_factory=WebhookMetrics)
    _known: ExpiringCache[bytes, Decision] = field(init=False)
    _revisions: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._known = ExpiringCache(self.clock, REMEMBERED)

    def revision(self) -> int:
        """Another number each time: an answer may be another whenever it is asked for."""
        return next(self._revisions)

    def visible_rules(self, user: User, namespace: str) -> UserRules:
        """Nobody knows what a webhook will say."""
        return UserRules((), NO_RULES, incomplete=True)

    def authorize(self, user: User, attributes: Attributes) -> Decision:
        """The decision, as far as the webhook need not be asked. Unanswered otherwise."""
        spec = spec_of(user, attributes)
        try:
            if not match(self.policy.conditions, spec):
                self.metrics.count("match_condition_exclusions", self.policy.name)
                return Decision(False)
        except ConditionError as error:
            self.metrics.count("match_condition_evaluation_errors", self.policy.name)
            return self._failed(str(error))
        key = msgspec.json.encode(spec, order="deterministic")
        if (known := self._known.get(key, None)) is not None:
            return known
        raise Unanswered(lambda: self._answer(key, spec, attributes))

    async def _answer(self, key: bytes, spec: Mapping[str, Any], attributes: Attributes) -> Decision:
        api_version = f"authorization.k8s.io/{self.policy.version}"
        said = {**spec, "group": spec["groups"]} if self.policy.version == "v1beta1" and "groups" in spec else dict(spec)
        if self.policy.version == "v1beta1":
            said.pop("groups", None)
        review = {"kind": "SubjectAccessReview", "apiVersion": api_version, "metadata": {}, "spec": said, "status": {"allowed": False}}
        try:
            status = msgspec.json.decode(await self.ask(msgspec.json.encode(review)), type=Review).status
        except AskFailed as error:
            return self._unasked("timeout" if error.is_late else "error", str(error))
        except msgspec.DecodeError as error:
            return self._unasked("error", f"the webhook's answer is no SubjectAccessReview: {error}")
        self.metrics.count("webhook_evaluations", self.policy.name, "success")
        decision = decision_of(status)
        self._remember(key, decision, attributes)
        return decision

    def _unasked(self, result: str, problem: str) -> Decision:
        self.metrics.count("webhook_evaluations", self.policy.name, result)
        if not self.policy.denies_on_error:
            self.metrics.count("webhook_evaluations_fail_open", self.policy.name, result)
        return self._failed(problem)

    def _failed(self, problem: str) -> Decision:
        return Decision(False, is_final=self.policy.denies_on_error, error=problem)

    def _remember(self, key: bytes, decision: Decision, attributes: Attributes) -> None:
        seconds = self.policy.authorized_seconds if decision.allowed else self.policy.unauthorized_seconds
        asked = attributes
        chosen = (asked.verb, asked.group, asked.version, asked.resource, asked.subresource, asked.namespace, asked.name, asked.path)
        if seconds <= 0 or sum(map(len, chosen)) >= LONGEST_REMEMBERED:
            return
        self._known.put(key, decision, seconds)


def decision_of(status: ReviewStatus) -> Decision:
    """What a webhook's answer means."""
    if status.denied:
        return Decision(False, status.reason, is_final=True, error=BOTH if status.allowed else "")
    return Decision(status.allowed, status.reason)


def spec_of(user: User, attributes: Attributes) -> dict[str, Any]:
    """The spec of a SubjectAccessReview that asks a question; what is empty is left out, as Go does."""
    spec: dict[str, Any] = {"user": user.name} if user.name else {}
    if user.groups:
        spec["groups"] = list(user.groups)
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    if user.uid:
        spec["uid"] = user.uid
    if attributes.path:
        return {"nonResourceAttributes": {"path": attributes.path, "verb": attributes.verb}, **spec}
    names = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
    resource = {name: text for name in names if (text := getattr(attributes, name))}
    if requirements := field_requirements(attributes.field_selector):
        resource["fieldSelector"] = {"requirements": requirements}
    if requirements := label_requirements(attributes.label_selector):
        resource["labelSelector"] = {"requirements": requirements}
    return {"resourceAttributes": resource, **spec}


def field_requirements(text: str) -> list[dict[str, Any]]:
    """A field selector as requirements; none of one that cannot be read."""
    try:
        read = fields.parse(text).requirements if text else ()
    except StatusError:
        return []
    return [{"key": each.field, "operator": "NotIn" if each.operator == "!=" else "In", "values": [each.value]} for each in read]


def label_requirements(text: str) -> list[dict[str, Any]]:
    """A label selector as requirements; none of one that cannot be read."""
    try:
        read = labels.parse(text).requirements if text else ()
    except (ValueError, StatusError):
        return []
    told = ((each, OPERATORS.get(each.operator)) for each in read)
    return [
        {"key": each.key, "operator": operator, **({"values": sorted(each.values)} if each.values else {})}
        for each, operator in told
        if operator is not None
    ]
