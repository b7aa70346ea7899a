"""Deletes expired bootstrap tokens."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api import bootstraptokens
from pilothouse.api.types.core_v1 import Secret
from pilothouse.controllers.framework.actions import Action, Delete, RequeueAfter
from pilothouse.controllers.framework.controller import DELETE, READ, Controller, Rule
from pilothouse.controllers.framework.world import World


class TokenCleaner(Controller):
    """Deletes a bootstrap token's Secret when its time is over, or cannot be read."""

    name = "token-cleaner-controller"
    account = "token-cleaner"
    reconciles = Secret
    rules = (Rule("", ("secrets",), READ + DELETE),)

    def concerns(self, obj: Secret) -> bool:
        """Only Secrets of bootstrap tokens are looked at."""
        return obj.type == bootstraptokens.TYPE and obj.metadata.namespace == bootstraptokens.NAMESPACE

    def plan(self, secret: Secret, world: World) -> Iterator[Action]:
        """Delete an expired Secret; else plan again when it expires."""
        left = bootstraptokens.seconds_left(secret, world.now)
        if left is None or not self.concerns(secret):
            return
        yield RequeueAfter(left) if left > 0 else Delete(secret)
