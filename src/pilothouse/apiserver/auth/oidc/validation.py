"""What is wrong with an AuthenticationConfiguration, in upstream's words and order (apiserver/pkg/apis/apiserver/validation).

`validate` gives the compiled expressions of each authenticator, so that nothing is compiled twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.api.core.validation.fields import validate_prefixed_path
from pilothouse.apiserver.auth.configuration.apiserver_v1 import (
    AnonymousAuthConfig,
    AuthenticationConfiguration,
    ClaimMappings,
    ClaimValidationRule,
    Issuer,
    JWTAuthenticator,
    PrefixedClaimOrExpression,
    UserValidationRule,
)
from pilothouse.apiserver.auth.oidc.expressions import CLAIMS, USER, NotCompiled, compiled, condition, uses_claim
from pilothouse.cel.environment import Program
from pilothouse.machinery import url
from pilothouse.machinery.problems import Problems

MOST_ISSUERS = 64
MATCH_ANY = "MatchAny"
EGRESS_TYPES = ("controlplane", "cluster")
RESERVED_DOMAINS = ("kubernetes.io", "k8s.io")
NO_CERTIFICATES = "data does not contain any valid RSA or ECDSA certificates"
BOTH = "claim and expression can't both be set"
NEITHER = "claim or expression is required"
PREFIX_REQUIRED = "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
EMAIL_UNVERIFIED = (
    "claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or "
    "claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression"
)


@dataclass(slots=True)
class Programs:
    """The compiled expressions of one authenticator; conditions with what is said when they are false."""

    username: Program | None = None
    groups: Program | None = None
    uid: Program | None = None
    extra: list[tuple[str, Program]] = field(default_factory=list)
    claim_rules: list[tuple[Program, str]] = field(default_factory=list)
    user_rules: list[tuple[Program, str]] = field(default_factory=list)


def validate(configuration: AuthenticationConfiguration, disallowed: Sequence[str], problems: Problems) -> list[Programs]:
    """Report everything that is wrong. Issuers in `disallowed` are those of ServiceAccounts' tokens."""
    at = problems.at("jwt")
    if len(configuration.jwt) > MOST_ISSUERS:
        at.too_many(len(configuration.jwt), MOST_ISSUERS)
        return []
    seen: set[str] = set()
    discovered: set[str] = set()
    programs = []
    for index, authenticator in enumerate(configuration.jwt):
        programs.append(validate_authenticator(authenticator, disallowed, at.at(index)))
        issuer = authenticator.issuer
        if issuer.url in seen:
            at.at(index, "issuer", "url").duplicate(issuer.url)
        seen.add(issuer.url)
        if issuer.discoveryURL and issuer.discoveryURL in discovered:
            at.at(index, "issuer", "discoveryURL").duplicate(issuer.discoveryURL)
        discovered.add(issuer.discoveryURL or "")
    _validate_anonymous(configuration.anonymous, problems)
    return programs


def validate_authenticator(authenticator: JWTAuthenticator, disallowed: Sequence[str], problems: Problems) -> Programs:
    """Report what is wrong with one authenticator."""
    programs = Programs()
    validate_issuer(authenticator.issuer, disallowed, problems.at("issuer"))
    _validate_claim_rules(authenticator.claimValidationRules, programs, problems.at("claimValidationRules"))
    _validate_mappings(authenticator.claimMappings, programs, problems.at("claimMappings"))
    _validate_user_rules(authenticator.userValidationRules, programs, problems.at("userValidationRules"))
    return programs


def _validate_anonymous(anonymous: AnonymousAuthConfig | None, problems: Problems) -> None:
    if anonymous is not None and not anonymous.enabled and anonymous.conditions:
        shown = [{"Path": condition.path} for condition in anonymous.conditions]
        problems.at("anonymous", "conditions").invalid(shown, "enabled should be set to true when conditions are defined")


def validate_issuer(issuer: Issuer, disallowed: Sequence[str], problems: Problems) -> None:
    """Report what is wrong with an issuer."""
    if not issuer.url:
        problems.at("url").required()
    else:
        _validate_url(issuer.url, disallowed, problems.at("url"))
    discovery = issuer.discoveryURL
    if discovery:
        if issuer.url and issuer.url.rstrip("/") == discovery.rstrip("/"):
            problems.at("discoveryURL").invalid(discovery, "discoveryURL must be different from URL")
        _validate_url(discovery, (), problems.at("discoveryURL"))
    _validate_audiences(issuer, problems)
    if issuer.certificateAuthority and not _has_certificates(issuer.certificateAuthority):
        problems.at("certificateAuthority").invalid("<omitted>", NO_CERTIFICATES)
    if issuer.egressSelectorType and issuer.egressSelectorType not in EGRESS_TYPES:
        text = "egress selector must be either controlplane or cluster"
        problems.at("egressSelectorType").invalid(issuer.egressSelectorType, text)


def _validate_url(text: str, disallowed: Sequence[str], problems: Problems) -> None:
    if text in disallowed:
        problems.invalid(text, f"URL must not overlap with disallowed issuers: [{' '.join(sorted(set(disallowed)))}]")
    try:
        parsed = url.parse(text)
    except ValueError as error:
        problems.invalid(text, str(error))
        return
    if parsed.scheme != "https":
        problems.invalid(text, "URL scheme must be https")
    if parsed.user is not None:
        problems.invalid(text, "URL must not contain a username or password")
    if parsed.raw_query:
        problems.invalid(text, "URL must not contain a query")
    if parsed.fragment:
        problems.invalid(text, "URL must not contain a fragment")


def _validate_audiences(issuer: Issuer, problems: Problems) -> None:
    at, policy = problems.at("audiences"), issuer.audienceMatchPolicy
    if not issuer.audiences:
        at.required(f"at least one {at.path} is required")
        return
    for index, audience in enumerate(issuer.audiences):
        if not audience:
            at.at(index).required()
        if audience in issuer.audiences[:index]:
            at.at(index).duplicate(audience)
    if len(issuer.audiences) > 1 and policy != MATCH_ANY:
        problems.at("audienceMatchPolicy").invalid(policy, "audienceMatchPolicy must be MatchAny for multiple audiences")
    if len(issuer.audiences) == 1 and policy not in ("", MATCH_ANY):
        problems.at("audienceMatchPolicy").invalid(policy, "audienceMatchPolicy must be empty or MatchAny for single audience")


def _has_certificates(pem: str) -> bool:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return bool(load_pem_x509_certificates(pem.encode()))
    except ValueError:
        return False


def _program(expression: str, variable: str, problems: Problems, *, is_condition: bool = False) -> Program | None:
    """The program, or None for an expression that is reported."""
    try:
        return condition(expression, variable) if is_condition else compiled(expression, variable)
    except NotCompiled as error:
        if error.is_internal:
            problems.internal(str(error))
        else:
            problems.invalid(expression, str(error))
        return None


def _validate_claim_rules(rules: Sequence[ClaimValidationRule], programs: Programs, problems: Problems) -> None:
    seen: set[tuple[str, str]] = set()
    for index, rule in enumerate(rules):
        at = problems.at(index)
        if rule.claim and rule.expression:
            at.invalid(rule.claim, BOTH)
        elif rule.claim:
            if rule.message:
                at.at("message").invalid(rule.message, "may not be specified when claim is set")
            if ("claim", rule.claim) in seen:
                at.at("claim").duplicate(rule.claim)
            seen.add(("claim", rule.claim))
        elif rule.expression:
            if rule.requiredValue:
                at.at("requiredValue").invalid(rule.requiredValue, "may not be specified when expression is set")
            _add_rule(rule.expression, CLAIMS, rule.message, programs.claim_rules, seen, at.at("expression"))
        else:
            at.required(NEITHER)


def _validate_user_rules(rules: Sequence[UserValidationRule], programs: Programs, problems: Problems) -> None:
    seen: set[tuple[str, str]] = set()
    for index, rule in enumerate(rules):
        at = problems.at(index, "expression")
        if not rule.expression:
            at.required()
        else:
            _add_rule(rule.expression, USER, rule.message, programs.user_rules, seen, at)


def _add_rule(
    expression: str, variable: str, message: str, rules: list[tuple[Program, str]], seen: set[tuple[str, str]], problems: Problems
) -> None:
    if (variable, expression) in seen:
        problems.duplicate(expression)
        return
    seen.add((variable, expression))
    program = _program(expression, variable, problems, is_condition=True)
    if program is not None:
        rules.append((program, message))


def _validate_mappings(mappings: ClaimMappings, programs: Programs, problems: Problems) -> None:
    programs.username = _validate_mapping(mappings.username, problems.at("username"), is_required=True)
    programs.groups = _validate_mapping(mappings.groups, problems.at("groups"), is_required=False)
    if mappings.uid.claim and mappings.uid.expression:
        problems.at("uid").invalid("", BOTH)
    elif mappings.uid.expression:
        programs.uid = _program(mappings.uid.expression, CLAIMS, problems.at("uid", "expression"))
    _validate_extra(mappings, programs, problems.at("extra"))
    if programs.username is None or not uses_claim(programs.username, "email"):
        return
    verifying = [programs.username, *(program for _, program in programs.extra), *(program for program, _ in programs.claim_rules)]
    if not any(uses_claim(program, "email_verified") for program in verifying):
        problems.at("username", "expression").invalid(mappings.username.expression, EMAIL_UNVERIFIED)


def _validate_mapping(mapping: PrefixedClaimOrExpression, problems: Problems, *, is_required: bool) -> Program | None:
    if mapping.expression and mapping.claim:
        problems.invalid("", BOTH)
    elif mapping.expression:
        if mapping.prefix is not None:
            problems.at("prefix").invalid(mapping.prefix, "may not be specified when expression is set")
        program = _program(mapping.expression, CLAIMS, problems.at("expression"))
        return program if mapping.prefix is None else None
    elif mapping.claim:
        if mapping.prefix is None:
            problems.at("prefix").required(PREFIX_REQUIRED)
    elif is_required:
        problems.required(NEITHER)
    return None


def _validate_extra(mappings: ClaimMappings, programs: Programs, problems: Problems) -> None:
    seen: set[str] = set()
    for index, mapping in enumerate(mappings.extra):
        at = problems.at(index, "key")
        validate_prefixed_path(mapping.key, at)
        if mapping.key != mapping.key.lower():
            at.invalid(mapping.key, "must be lowercase")
        if _is_reserved(mapping.key):
            at.invalid(mapping.key, "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use")
        if mapping.key in seen:
            at.duplicate(mapping.key)
            continue
        seen.add(mapping.key)
        at = problems.at(index, "valueExpression")
        if not mapping.valueExpression:
            at.required()
        elif (program := _program(mapping.valueExpression, CLAIMS, at)) is not None:
            programs.extra.append((mapping.key, program))


def _is_reserved(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    return bool(slash) and any(domain == reserved or domain.endswith(f".{reserved}") for reserved in RESERVED_DOMAINS)
