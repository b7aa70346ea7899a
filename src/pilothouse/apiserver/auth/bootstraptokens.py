"""Bootstrap tokens as bearer tokens: --enable-bootstrap-token-auth. Upstream: plugin/pkg/auth/authenticator/token/bootstrap."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pilothouse.api import bootstraptokens
from pilothouse.api.types.core_v1 import Secret
from pilothouse.apiserver.auth.credentials import Authenticated
from pilothouse.apiserver.auth.serviceaccounts import Lookup
from pilothouse.apiserver.auth.user import User
from pilothouse.kit.clock import Clock

log = logging.getLogger(__name__)


class BootstrapTokenAuthenticator:
    """Knows the tokens of the Secrets `bootstrap-token-ID` of kube-system."""

    def __init__(self, lookup: Lookup, clock: Clock) -> None:
        self._lookup, self._clock = lookup, clock

    async def authenticate_token(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """The user `system:bootstrap:ID` of a valid token, for all `audiences`; None for any other."""
        parts = bootstraptokens.TOKEN.fullmatch(token)
        if parts is None:
            return None
        secret: Secret | None = await self._lookup(Secret, f"{bootstraptokens.PREFIX}{parts[1]}", bootstraptokens.NAMESPACE)
        if secret is None or not bootstraptokens.authenticates(secret, token, self._clock.now()):
            return None
        try:
            groups = bootstraptokens.groups_of(secret)
        except ValueError as error:
            log.info("a bootstrap token gives a group that none may give", extra={"secret": secret.metadata.name, "error": str(error)})
            return None
        return Authenticated(User(f"{bootstraptokens.USER}{parts[1]}", groups=groups), tuple(audiences))
