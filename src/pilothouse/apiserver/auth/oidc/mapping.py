"""From verified claims to a user: by claims with prefixes or by expressions, with the rules that both must pass. Pure.

Whatever hinders it is a BadToken in upstream's words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pilothouse.apiserver.auth.configuration.apiserver_v1 import ClaimMappings, JWTAuthenticator
from pilothouse.apiserver.auth.credentials import BadToken
from pilothouse.apiserver.auth.oidc import claims as read
from pilothouse.apiserver.auth.oidc.claims import Claims
from pilothouse.apiserver.auth.oidc.expressions import CLAIMS, USER, Escaped, value_of
from pilothouse.apiserver.auth.oidc.validation import Programs
from pilothouse.apiserver.auth.user import CREDENTIAL_ID, User
from pilothouse.cel.environment import Program
from pilothouse.cel.errors import EvaluationError
from pilothouse.machinery.quoting import go_quoted

NO_TEXTS = "expression must return a string or a list of strings"


@dataclass(frozen=True, slots=True)
class Mapper:
    """Makes users of the claims of one issuer."""

    authenticator: JWTAuthenticator
    programs: Programs

    def user(self, claims: Claims) -> User:
        """The user. BadToken when a claim is missing or of a wrong type, or a rule is not met."""
        values = {CLAIMS: value_of(dict(claims))}
        name = self._username(claims, values)
        groups = self._groups(claims, values)
        uid = self._uid(claims, values)
        extra = self._extra(claims, values)
        self._check_claims(claims, values)
        user = User(name, uid, tuple(groups), {key: tuple(texts) for key, texts in extra.items()})
        self._check_user(user)
        return user

    @property
    def _mappings(self) -> ClaimMappings:
        return self.authenticator.claimMappings

    def _username(self, claims: Claims, values: dict[str, Any]) -> str:
        if self.programs.username is not None:
            value = _evaluated(self.programs.username, values, "error evaluating username claim expression")
            if not isinstance(value, str):
                raise BadToken("oidc: error evaluating username claim expression: username claim expression must return a string")
            if not value:
                raise BadToken("oidc: empty username via CEL expression is not allowed")
            return value
        claim = self._mappings.username.claim
        try:
            name = read.text(claims, claim)
        except ValueError as error:
            raise BadToken(f"oidc: parse username claims {go_quoted(claim)}: {error}") from error
        if claim == "email" and "email_verified" in claims:
            _check_verified(claims)
        return (self._mappings.username.prefix or "") + name

    def _groups(self, claims: Claims, values: dict[str, Any]) -> list[str]:
        claim = self._mappings.groups.claim
        if claim and claim in claims:
            try:
                return [(self._mappings.groups.prefix or "") + group for group in read.texts(claims, claim)]
            except ValueError as error:
                raise BadToken(f"oidc: parse groups claim {go_quoted(claim)}: {error}") from error
        if self.programs.groups is None:
            return []
        return _texts(_evaluated(self.programs.groups, values, failed := "error evaluating group claim expression"), failed)

    def _uid(self, claims: Claims, values: dict[str, Any]) -> str:
        claim = self._mappings.uid.claim
        if claim:
            try:
                return read.text(claims, claim)
            except ValueError as error:
                raise BadToken(f"oidc: parse uid claim {go_quoted(claim)}: {error}") from error
        if self.programs.uid is None:
            return ""
        value = _evaluated(self.programs.uid, values, "error evaluating uid claim expression")
        if not isinstance(value, str):
            raise BadToken("oidc: error evaluating uid claim expression: uid claim expression must return a string")
        return value

    def _extra(self, claims: Claims, values: dict[str, Any]) -> dict[str, list[str]]:
        extra: dict[str, list[str]] = {}
        if claims.get("jti") and isinstance(claims["jti"], str):
            extra[CREDENTIAL_ID] = [f"JTI={claims['jti']}"]
        for key, program in self.programs.extra:
            value = _evaluated(program, values, "")
            if texts := _texts(value, f"error evaluating extra claim expression: {program.text}"):
                extra[key] = texts
        return extra

    def _check_claims(self, claims: Claims, values: dict[str, Any]) -> None:
        for claim, wanted in {rule.claim: rule.requiredValue for rule in self.authenticator.claimValidationRules if rule.claim}.items():
            if claim not in claims:
                raise BadToken(f"oidc: required claim {claim} not present in ID token")
            try:
                value = read.text(claims, claim)
            except ValueError as error:
                raise BadToken(f"oidc: parse claim {claim}: {error}") from error
            if value != wanted:
                raise BadToken(f"oidc: required claim {claim} value does not match. Got = {value}, want = {wanted}")
        _check_rules(self.programs.claim_rules, values, "error evaluating claim validation expression")

    def _check_user(self, user: User) -> None:
        extra = Escaped({key: list(texts) for key, texts in user.extra.items()})
        value = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
        _check_rules(self.programs.user_rules, {USER: value}, "error evaluating user info validation rule")


def _check_verified(claims: Claims) -> None:
    try:
        is_verified = read.boolean(claims, "email_verified")
    except ValueError as error:
        raise BadToken(f"oidc: parse 'email_verified' claim: {error}") from error
    if not is_verified:
        raise BadToken("oidc: email not verified")


def _check_rules(rules: list[tuple[Program, str]], values: dict[str, Any], failed: str) -> None:
    results = [(program, message, _evaluated(program, values, failed)) for program, message in rules]
    for program, message, value in results:
        if value is not True:
            raise BadToken(f"oidc: {failed}: validation expression '{program.text}' failed: {message}")


def _evaluated(program: Program, values: dict[str, Any], failed: str) -> Any:
    """The value of an expression; what it costs at most is Kubernetes' budget of one evaluation."""
    try:
        return program.evaluate(values).value
    except EvaluationError as error:
        text = f"expression '{program.text}' resulted in error: {error}"
        raise BadToken(f"oidc: {failed}: {text}" if failed else text) from error


def _texts(value: Any, failed: str) -> list[str]:
    """The texts that a value stands for: a text or a list of them; empty ones count for nothing."""
    items = [value] if isinstance(value, str) or value is None else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items if value is not None):
        raise BadToken(f"oidc: {failed}: {NO_TEXTS}")
    return [item for item in items if item]
