"""`serviceaccounts/token`: issues tokens of ServiceAccounts."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import msgspec

from pilothouse.api.types.authentication_v1 import TokenRequest
from pilothouse.apiserver.admission.plugin import CREATE
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore, unstored_entry
from pilothouse.apiserver.registry.subresource import Action
from pilothouse.machinery import time
from pilothouse.machinery.errors import bad_request, conflict, failure, invalid
from pilothouse.machinery.meta_v1 import Status
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource

TOKEN_REQUEST = Resource(TokenRequest, plural="tokenrequests", verbs=("create",))
DEFAULT_SECONDS = 3600
GROUP = "authentication.k8s.io"


@TOKEN_REQUEST.default
def default(request: TokenRequest) -> None:
    """Default a TokenRequest: tokens expire after an hour."""
    if request.spec.expirationSeconds is None:
        request.spec.expirationSeconds = DEFAULT_SECONDS


ISSUED_CREDENTIAL = "authentication.kubernetes.io/issued-credential-id"


async def run(store: RegistryStore, request: Request) -> Entry | Status:
    """Sign a token for the ServiceAccount as the TokenRequest asks.

    Raises a 404 for a missing account, a 422 for a spec that is not valid.
    """
    wanted: TokenRequest = request.call.body
    if wanted.metadata.namespace and wanted.metadata.namespace != request.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if wanted.metadata.name and wanted.metadata.name != request.name:
        problems = Problems("metadata.name")
        problems.invalid(wanted.metadata.name, "must match the service account name if specified")
        raise invalid("TokenRequest", GROUP, request.name, problems.found)
    for hook in TOKEN_REQUEST.defaults:
        hook(wanted)
    admission = request.admission(CREATE, request.name, wanted, None, "token", TOKEN_REQUEST)
    await store.admission.mutate(admission)
    account = await store.entry(request.resource, request.namespace, request.name)
    wanted = admission.object
    if store.token_issuer is None:
        raise failure(500, "InternalError", "Internal error occurred: this server has no key to sign tokens with")
    wanted.metadata.name, wanted.metadata.namespace = request.name, request.namespace
    uid = account.object.metadata.uid
    if wanted.metadata.uid and wanted.metadata.uid != uid:
        said = f"the UID in the token request ({wanted.metadata.uid}) does not match the UID of the service account ({uid})"
        raise conflict("TokenRequest", GROUP, request.name, said)
    wanted.metadata.uid = uid
    wanted.metadata.creationTimestamp = time.now_text(store.clock)
    await store.admission.validate(admission)
    asked = wanted.spec.expirationSeconds
    issued = await store.token_issuer(account.object, wanted, request.user)
    if asked and (granted := issued.spec.expirationSeconds) < asked:
        request.warnings.append(f"requested expiration of {asked} seconds shortened to {granted} seconds")
    if identifier := token_id(issued.status.token):
        request.annotations[ISSUED_CREDENTIAL] = f"JTI={identifier}"
    issued.metadata.creationTimestamp = account.object.metadata.creationTimestamp
    return unstored_entry(TOKEN_REQUEST, issued)


def token_id(token: str) -> str:
    """The `jti` of a token that was just signed; "" of one that another issuer has made in another form."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    if not payload:
        return ""
    return str(msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).get("jti", ""))


TOKEN = Action("token", ("", "serviceaccounts"), run)
