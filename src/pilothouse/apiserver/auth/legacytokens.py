"""Tokens of ServiceAccounts that stand in Secrets and have no end (upstream: pkg/serviceaccount, legacy.go).

- A token is good as long as its Secret holds it, its ServiceAccount is there, and nobody has marked it invalid.
- The Secret bears the date of the last use: by it a controller knows which nobody uses any more.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pilothouse.api import legacytokens
from pilothouse.api.types.core_v1 import Secret, ServiceAccount
from pilothouse.apiserver.auth.credentials import Authenticated, BadToken
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.auth.oidc.claims import untrusted_issuer
from pilothouse.apiserver.auth.serviceaccounts import Claims, Lookup, TokenUses, common_audiences, verified
from pilothouse.apiserver.auth.user import SERVICE_ACCOUNT_PREFIX, User, service_account_groups
from pilothouse.kit.clock import Clock
from pilothouse.machinery import errors
from pilothouse.machinery.errors import StatusError

log = logging.getLogger(__name__)

AUTO_GENERATED = (
    "Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens."
)
NAMED = (
    (legacytokens.NAMESPACE, "namespace"),
    (legacytokens.SECRET_NAME, "secretName"),
    (legacytokens.ACCOUNT_NAME, "serviceAccountName"),
    (legacytokens.ACCOUNT_UID, "serviceAccountUID"),
)
NoteUse = Callable[[Secret, str], Awaitable[None]]
"""Write the date of its last use on a Secret; StatusError when that fails."""


@dataclass(slots=True)
class LegacyTokenAuthenticator:
    """Knows the tokens of Secrets; they are for `audiences`, those of this API server."""

    keys: ServiceAccountKeys
    lookup: Lookup
    clock: Clock
    note_use: NoteUse
    audiences: tuple[str, ...]
    uses: TokenUses = field(default_factory=TokenUses)

    async def authenticate_token(self, token: str, audiences: Sequence[str] = ()) -> Authenticated | None:
        """The ServiceAccount of a Secret's token; None for any other token. BadToken for one that is not valid any more."""
        if untrusted_issuer(token) != legacytokens.ISSUER:
            return None
        claims = verified(token, self.keys)
        if claims is None:
            return None
        if not claims["aud"]:
            self.uses.count("legacy_tokens")
        common = common_audiences(claims, self.audiences, audiences or self.audiences)
        namespace, name = account_of(claims)
        secret = await self._secret(token, namespace, claims[legacytokens.SECRET_NAME])
        account = await self._account(namespace, name, claims[legacytokens.ACCOUNT_UID])
        warnings = await self._track(secret, account)
        return Authenticated(User(claims["sub"], account.metadata.uid, service_account_groups(namespace)), common, warnings)

    async def _secret(self, token: str, namespace: str, name: str) -> Secret:
        secret: Secret | None = await self.lookup(Secret, name, namespace)
        if secret is None or secret.metadata.deletionTimestamp:
            raise BadToken("Token has been invalidated")
        try:
            held = base64.b64decode(secret.data.get("token", ""))
        except binascii.Error:
            held = b""
        if not hmac.compare_digest(held, token.encode()):
            raise BadToken("Token does not match server's copy")
        return secret

    async def _account(self, namespace: str, name: str, uid: str) -> ServiceAccount:
        account: ServiceAccount | None = await self.lookup(ServiceAccount, name, namespace)
        if account is None:
            raise BadToken(str(errors.not_found("serviceaccounts", "", name)))
        if account.metadata.deletionTimestamp:
            raise BadToken(f"ServiceAccount {namespace}/{name} has been deleted")
        if account.metadata.uid != uid:
            raise BadToken(f"ServiceAccount UID ({account.metadata.uid}) does not match claim ({uid})")
        return account

    async def _track(self, secret: Secret, account: ServiceAccount) -> tuple[str, ...]:
        """Note the use of a token; what its user is to be warned of. BadToken for one that is marked invalid."""
        where = f"{secret.metadata.namespace}/{secret.metadata.name}"
        if secret.metadata.labels.get(legacytokens.INVALID_SINCE):
            self.uses.count("invalid_legacy_auto_token_uses")
            await self._note(secret)
            raise BadToken(
                f"the token in secret {where} for service account {account.metadata.namespace}/{account.metadata.name} has been marked "
                "invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the "
                f"'{legacytokens.INVALID_SINCE}' label from the secret to temporarily allow use of this token"
            )
        is_auto_generated = any(reference.name == secret.metadata.name for reference in account.secrets)
        self.uses.count("legacy_auto_token_uses" if is_auto_generated else "legacy_manual_token_uses")
        await self._note(secret)
        return (AUTO_GENERATED,) if is_auto_generated else ()

    async def _note(self, secret: Secret) -> None:
        """Have the Secret bear the date of today, once a day; another server's clock may be a day ahead."""
        now = self.clock.now()
        today, tomorrow = f"{now:%Y-%m-%d}", f"{now + timedelta(days=1):%Y-%m-%d}"
        if secret.metadata.labels.get(legacytokens.LAST_USED) in (today, tomorrow):
            return
        try:
            await self.note_use(secret, today)
        except StatusError as error:
            name = f"{secret.metadata.namespace}/{secret.metadata.name}"
            log.error("the last use of a token cannot be noted", extra={"secret": name, "error": str(error)})


def account_of(claims: Claims) -> tuple[str, str]:
    """Namespace and name of the ServiceAccount that claims speak of. BadToken for claims that are missing or do not fit."""
    subject = claims.get("sub")
    if not subject:
        raise BadToken("sub claim is missing")
    for claim, name in NAMED:
        if not claims.get(claim) or not isinstance(claims[claim], str):
            raise BadToken(f"{name} claim is missing")
    namespace, account = claims[legacytokens.NAMESPACE], claims[legacytokens.ACCOUNT_NAME]
    if subject != f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{account}":
        raise BadToken("sub claim is invalid")
    return namespace, account
