"""Fills Secrets of type kubernetes.io/service-account-token with a token."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.api import legacytokens
from pilothouse.api.core.secret import SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_TOKEN, SERVICE_ACCOUNT_UID
from pilothouse.api.types.authentication_v1 import BoundObjectReference, TokenRequest, TokenRequestSpec
from pilothouse.api.types.core_v1 import Secret, ServiceAccount
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import Action, Delete, Update
from pilothouse.controllers.framework.controller import CREATE, DELETE, GET, READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.runner import Context
from pilothouse.controllers.framework.world import World
from pilothouse.kit.offload import in_thread
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.jsonwebkeys import algorithm_of, key_id

LONGEST_SECONDS = 1 << 32
"""What the server grants at most: 136 years. Tokens that are signed here have no end at all, as upstream's."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """Uid of the ServiceAccount (empty when it does not exist), and a new token if the Secret has none."""

    uid: str
    token: str = ""


def account_of(secret: Secret) -> str:
    """The account that the Secret is for; empty for Secrets of other types."""
    return secret.metadata.annotations.get(SERVICE_ACCOUNT_NAME, "") if secret.type == SERVICE_ACCOUNT_TOKEN else ""


def _secrets_of(account: ServiceAccount, world: World) -> Iterator[Key]:
    for secret in world.list(Secret, account.metadata.namespace):
        if account_of(secret) == account.metadata.name:
            yield secret.metadata.namespace, secret.metadata.name


class ServiceAccountTokenController(Controller):
    """Fills them with a token, the namespace and the cluster's CA, and deletes them when their ServiceAccount is gone.

    A token is bound to its Secret: it is worth nothing once that is deleted.
    """

    name = "serviceaccount-token-controller"
    reconciles = Secret
    watches = (Related(ServiceAccount, _secrets_of, lambda old, new: old.metadata.uid != new.metadata.uid),)
    rules = (
        Rule("", ("serviceaccounts",), READ + GET),
        Rule("", ("serviceaccounts/token",), CREATE),
        Rule("", ("secrets",), READ + UPDATE + DELETE),
    )

    async def observe(self, secret: Secret, context: Context) -> IssuedToken | None:
        """Ask the API server for the account and, when the Secret has no token, for one. None when the Secret names no account."""
        name = account_of(secret)
        if not name or secret.metadata.deletionTimestamp:
            return None
        namespace = secret.metadata.namespace
        account = context.informers.of(ServiceAccount).get(namespace, name)
        try:
            if account is None:
                account = await context.client.get(ServiceAccount, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return IssuedToken("")
        uid = account.metadata.uid
        if secret.data.get("token") or secret.metadata.annotations.get(SERVICE_ACCOUNT_UID, uid) != uid:
            return IssuedToken(uid)
        if key_file := context.settings.service_account_private_key_file:
            return IssuedToken(uid, await in_thread(signed, key_file, account, secret))
        bound = BoundObjectReference(apiVersion="v1", kind="Secret", name=secret.metadata.name, uid=secret.metadata.uid)
        request = TokenRequest(spec=TokenRequestSpec(audiences=[], boundObjectRef=bound, expirationSeconds=LONGEST_SECONDS))
        answer: TokenRequest = await context.client.create_subresource(ServiceAccount, name, namespace, "token", request)
        return IssuedToken(uid, answer.status.token)

    def plan(self, secret: Secret, world: World) -> Iterator[Action]:
        """Fill in what the Secret lacks, or delete it when its account is gone or another."""
        account: IssuedToken | None = world.observed
        if account is None:
            return
        if not account.uid or secret.metadata.annotations.get(SERVICE_ACCOUNT_UID, account.uid) != account.uid:
            yield Delete(secret)  # its account is gone, or is another of that name
            return
        wanted = {"namespace": _encoded(secret.metadata.namespace)}
        if account.token:
            wanted["token"] = _encoded(account.token)
        if world.settings.root_ca:
            wanted["ca.crt"] = _encoded(world.settings.root_ca)
        if wanted.items() <= secret.data.items() and SERVICE_ACCOUNT_UID in secret.metadata.annotations:
            return
        changed = codec.clone(secret)
        changed.data |= wanted
        changed.metadata.annotations[SERVICE_ACCOUNT_UID] = account.uid
        yield Update(changed)


def signed(key_file: str, account: ServiceAccount, secret: Secret) -> str:
    """The token of a Secret, which has no end, signed with a private key."""
    import jwt
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private: Any = load_pem_private_key(Path(key_file).read_bytes(), None)
    public = private.public_key()
    claims = dict(legacytokens.claims_of(account, secret))
    return jwt.encode(claims, private, algorithm_of(public), headers={"kid": key_id(public), "typ": None})


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
