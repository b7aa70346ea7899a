"""The kinds of apiserver.config.k8s.io that say who may come in: AuthenticationConfiguration and AuthorizationConfiguration.

v1, v1beta1 and v1alpha1 have the same fields.
"""

from __future__ import annotations

from msgspec import field

from pilothouse.machinery.struct import Object

GROUP = "apiserver.config.k8s.io"


class Issuer(Object):
    """Who signs tokens, where its keys are found, and for whom the tokens must be."""

    url: str = ""
    discoveryURL: str | None = None
    certificateAuthority: str = ""
    audiences: list[str] = field(default_factory=list)
    audienceMatchPolicy: str = ""
    egressSelectorType: str = ""


class ClaimValidationRule(Object):
    """A claim of a required value, or an expression that must be true."""

    claim: str = ""
    requiredValue: str = ""
    expression: str = ""
    message: str = ""


class PrefixedClaimOrExpression(Object):
    """A claim with what is put before it, or an expression."""

    claim: str = ""
    prefix: str | None = None
    expression: str = ""


class ClaimOrExpression(Object):
    """A claim, or an expression."""

    claim: str = ""
    expression: str = ""


class ExtraMapping(Object):
    """A key of a user's extra, and the expression of its values."""

    key: str = ""
    valueExpression: str = ""


class ClaimMappings(Object):
    """How the claims of a token make a user."""

    username: PrefixedClaimOrExpression = field(default_factory=PrefixedClaimOrExpression)
    groups: PrefixedClaimOrExpression = field(default_factory=PrefixedClaimOrExpression)
    uid: ClaimOrExpression = field(default_factory=ClaimOrExpression)
    extra: list[ExtraMapping] = field(default_factory=list)


class UserValidationRule(Object):
    """An expression that must be true of the user."""

    expression: str = ""
    message: str = ""


class JWTAuthenticator(Object):
    """One issuer, and what is made of its tokens."""

    issuer: Issuer = field(default_factory=Issuer)
    claimValidationRules: list[ClaimValidationRule] = field(default_factory=list)
    claimMappings: ClaimMappings = field(default_factory=ClaimMappings)
    userValidationRules: list[UserValidationRule] = field(default_factory=list)


class AnonymousAuthCondition(Object):
    """A path that may be asked for without credentials."""

    path: str = ""


class AnonymousAuthConfig(Object):
    """Whether requests without credentials are let in, and for which paths only."""

    enabled: bool = False
    conditions: list[AnonymousAuthCondition] = field(default_factory=list)


class AuthenticationConfiguration(Object):
    """The file of --authentication-config."""

    kind: str = ""
    apiVersion: str = ""
    jwt: list[JWTAuthenticator] = field(default_factory=list)
    anonymous: AnonymousAuthConfig | None = None


class WebhookMatchCondition(Object):
    """An expression that must be true for the webhook to be asked."""

    expression: str = ""


class WebhookConnectionInfo(Object):
    """Where the webhook answers: a kubeconfig file, or the cluster's own API."""

    type: str = ""
    kubeConfigFile: str | None = None


class WebhookConfiguration(Object):
    """An authorizer that is asked over HTTPS. Durations are texts: `5m`."""

    authorizedTTL: str = ""
    cacheAuthorizedRequests: bool | None = None
    unauthorizedTTL: str = ""
    cacheUnauthorizedRequests: bool | None = None
    timeout: str = ""
    subjectAccessReviewVersion: str = ""
    matchConditionSubjectAccessReviewVersion: str = ""
    failurePolicy: str = ""
    connectionInfo: WebhookConnectionInfo = field(default_factory=WebhookConnectionInfo)
    matchConditions: list[WebhookMatchCondition] = field(default_factory=list)


class AuthorizerConfiguration(Object):
    """One authorizer of the chain."""

    type: str = ""
    name: str = ""
    webhook: WebhookConfiguration | None = None


class AuthorizationConfiguration(Object):
    """The file of --authorization-config."""

    kind: str = ""
    apiVersion: str = ""
    authorizers: list[AuthorizerConfiguration] = field(default_factory=list)
