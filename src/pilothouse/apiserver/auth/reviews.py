"""The kinds that are questions: who am I, is this token good, may somebody do that. Answered, never stored.

`reviews(...)` gives the handlers by (group, kind), as the registry takes them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from pilothouse.api.internal import internal
from pilothouse.api.types.authentication_v1 import SelfSubjectReview, TokenReview, UserInfo
from pilothouse.api.types.authorization_v1 import (
    LocalSubjectAccessReview,
    NonResourceAttributes,
    NonResourceRule,
    ResourceAttributes,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SelfSubjectRulesReviewSpec,
    SubjectAccessReview,
    SubjectAccessReviewStatus,
)
from pilothouse.apiserver.auth.authorizer import Attributes, Authorizer
from pilothouse.apiserver.auth.credentials import Authenticated, BadToken
from pilothouse.apiserver.auth.modes import decide
from pilothouse.apiserver.auth.selectors import evaluation_error, readable_fields, readable_labels, selector_text, validate_selectors
from pilothouse.apiserver.auth.user import User
from pilothouse.kit.clock import Clock
from pilothouse.machinery import errors, time
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.problems import Problems

AUTHORIZATION = "authorization.k8s.io"
AUTHENTICATION = "authentication.k8s.io"
Review = Callable[[Any, User], Awaitable[Any]]


class TokenVerifier(Protocol):
    """Knows whom a token stands for."""

    async def by_token(self, token: str, audiences: Sequence[str] = ()) -> Authenticated:
        """The user of a token and those of `audiences` (this API server's, unless given) that it is valid for. BadToken when it is not."""
        ...


def reviews(authorizer: Authorizer, clock: Clock, tokens: TokenVerifier | None = None) -> Mapping[tuple[str, str], Review]:
    """The handlers: (the object as it was sent, who asks) -> the object with its status."""

    async def self_subject(review: SelfSubjectReview, user: User) -> SelfSubjectReview:
        review.metadata.creationTimestamp = time.now_text(clock)  # the only review that upstream dates
        review.status.userInfo = user_info(user)
        return review

    async def token(review: TokenReview, user: User) -> TokenReview:
        await answer_token(review, tokens)
        return review

    async def self_access(review: SelfSubjectAccessReview, user: User) -> SelfSubjectAccessReview:
        spec = review.spec
        check(review, spec.resourceAttributes, spec.nonResourceAttributes, None)
        review.status = await status_of(authorizer, user, spec.resourceAttributes, spec.nonResourceAttributes)
        return review

    async def access(review: SubjectAccessReview, user: User) -> SubjectAccessReview:
        await answer_access(authorizer, review)
        return review

    async def local_access(review: LocalSubjectAccessReview, user: User) -> LocalSubjectAccessReview:
        await answer_access(authorizer, review)
        return review

    async def self_rules(review: SelfSubjectRulesReview, user: User) -> SelfSubjectRulesReview:
        if not review.spec.namespace:
            raise errors.bad_request("no namespace on request")
        list_rules(authorizer, review, user)
        review.spec = SelfSubjectRulesReviewSpec()  # upstream's answer repeats nothing
        return review

    return {
        (AUTHENTICATION, "SelfSubjectReview"): self_subject,
        (AUTHENTICATION, "TokenReview"): token,
        (AUTHORIZATION, "SelfSubjectAccessReview"): self_access,
        (AUTHORIZATION, "SubjectAccessReview"): access,
        (AUTHORIZATION, "LocalSubjectAccessReview"): local_access,
        (AUTHORIZATION, "SelfSubjectRulesReview"): self_rules,
    }


def user_info(user: User) -> UserInfo:
    """A user as the `UserInfo` of authentication.k8s.io."""
    extra = {key: list(value) for key, value in user.extra.items()}
    return UserInfo(username=user.name, uid=user.uid, groups=list(user.groups), extra=extra)


async def answer_token(review: TokenReview, tokens: TokenVerifier | None) -> None:
    """Who the token is for; what is not valid is simply not authenticated, whatever the client says in the status."""
    if not review.spec.token:
        raise errors.bad_request("token is required for TokenReview in authentication")
    review.status.authenticated = False
    if tokens is None:
        return
    try:
        known = await tokens.by_token(review.spec.token, tuple(review.spec.audiences or ()))
    except BadToken as error:
        review.status.error = str(error)
        return
    review.status.authenticated = True
    review.status.user = user_info(known.user)
    review.status.audiences = list(known.audiences)


async def answer_access(authorizer: Authorizer, review: SubjectAccessReview | LocalSubjectAccessReview) -> None:
    """Fill in the status of a SubjectAccessReview. Raises a 422 when the spec is not valid."""
    spec = review.spec
    check(review, spec.resourceAttributes, spec.nonResourceAttributes, spec)
    subject = User(spec.user, spec.uid, tuple(spec.groups), {key: tuple(value) for key, value in spec.extra.items()})
    review.status = await status_of(authorizer, subject, spec.resourceAttributes, spec.nonResourceAttributes)


def check(review: Any, resource: ResourceAttributes | None, path: NonResourceAttributes | None, subject: Any) -> None:
    """422 when it is asked about nothing, about both, or about nobody."""
    problems = Problems()
    shown = internal(path, "*authorization.NonResourceAttributes")
    if (resource is None) == (path is None):
        problems.at("spec").invalid(shown, "exactly one of nonResourceAttributes or resourceAttributes must be specified")
    if subject is not None and not subject.user and not subject.groups:
        problems.at("spec", "user").invalid("", "at least one of user or group must be specified")
    if resource is not None:
        validate_selectors(resource, problems.at("spec", "resourceAttributes"))
    _check_metadata(review, problems)
    if isinstance(review, LocalSubjectAccessReview):
        if resource is not None and resource.namespace != review.metadata.namespace:
            problems.at("spec", "resourceAttributes", "namespace").invalid(resource.namespace, "must match metadata.namespace")
        if path is not None:
            problems.at("spec", "nonResourceAttributes").invalid(shown, "disallowed on this kind of request")
    if problems:
        raise errors.invalid("", AUTHORIZATION, "", problems.found)


def _check_metadata(review: Any, problems: Problems) -> None:
    """A question has no metadata, but for the namespace that a local one is about."""
    is_local = isinstance(review, LocalSubjectAccessReview)
    bare = msgspec.structs.replace(review.metadata, managedFields=[], **({"namespace": ""} if is_local else {}))
    if bare != ObjectMeta():
        said = "must be empty except for namespace" if is_local else "must be empty"
        problems.at("metadata").invalid(review.metadata, said)


async def status_of(
    authorizer: Authorizer, user: User, resource: ResourceAttributes | None, path: NonResourceAttributes | None
) -> SubjectAccessReviewStatus:
    """The authorizer's decision on a resource or a path as the status of a review."""
    decision = await decide(authorizer, user, attributes_of(resource, path))
    wrong = "; ".join(filter(None, (decision.error, evaluation_error(resource) if resource is not None else "")))
    return SubjectAccessReviewStatus(allowed=decision.allowed, denied=decision.is_final, reason=decision.reason, evaluationError=wrong)


def attributes_of(resource: ResourceAttributes | None, path: NonResourceAttributes | None) -> Attributes:
    """The attributes that the spec of a review asks about; one of both must be set."""
    if resource is not None:
        return Attributes(
            resource.verb,
            resource.group,
            resource.version,
            resource.resource,
            resource.subresource,
            resource.namespace,
            resource.name,
            field_selector=selector_text(resource.fieldSelector, readable_fields),
            label_selector=selector_text(resource.labelSelector, readable_labels),
        )
    assert path is not None
    return Attributes(path.verb, path=path.path or "/")


def list_rules(authorizer: Authorizer, review: SelfSubjectRulesReview, user: User) -> None:
    """Fill in the status with all that the user may do; both lists are there when they are empty, too."""
    visible = authorizer.visible_rules(user, review.spec.namespace)
    rules, status = visible.rules, review.status
    status.resourceRules = [
        ResourceRule(verbs=rule.verbs, apiGroups=rule.apiGroups, resources=rule.resources, resourceNames=rule.resourceNames)
        for rule in rules
        if rule.resources
    ]
    status.nonResourceRules = [
        NonResourceRule(verbs=rule.verbs, nonResourceURLs=rule.nonResourceURLs) for rule in rules if rule.nonResourceURLs
    ]
    status.incomplete, status.evaluationError = visible.incomplete, visible.error
