"""The flags --oidc-*: one issuer, said on the command line. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.apiserver.auth.configuration.apiserver_v1 import (
    AuthenticationConfiguration,
    ClaimMappings,
    ClaimValidationRule,
    Issuer,
    JWTAuthenticator,
    PrefixedClaimOrExpression,
)


@dataclass(frozen=True, slots=True)
class OIDCFlags:
    """Their values, with upstream's defaults; `certificate_authority` is the content of the file."""

    issuer_url: str
    client_id: str
    certificate_authority: str = ""
    username_claim: str = "sub"
    username_prefix: str = ""
    groups_claim: str = ""
    groups_prefix: str = ""
    required_claims: Mapping[str, str] = field(default_factory=dict)

    def configuration(self) -> AuthenticationConfiguration:
        """The configuration that says the same."""
        prefix = self.username_prefix
        if not prefix and self.username_claim != "email":
            prefix = f"{self.issuer_url}#"  # so that issuers cannot name each other's users
        mappings = ClaimMappings(
            username=PrefixedClaimOrExpression(claim=self.username_claim, prefix="" if prefix == "-" else prefix),
            groups=PrefixedClaimOrExpression(claim=self.groups_claim, prefix=self.groups_prefix)
            if self.groups_claim
            else PrefixedClaimOrExpression(),
        )
        issuer = Issuer(url=self.issuer_url, audiences=[self.client_id], certificateAuthority=self.certificate_authority)
        rules = [ClaimValidationRule(claim=claim, requiredValue=value) for claim, value in self.required_claims.items()]
        return AuthenticationConfiguration(jwt=[JWTAuthenticator(issuer=issuer, claimMappings=mappings, claimValidationRules=rules)])
