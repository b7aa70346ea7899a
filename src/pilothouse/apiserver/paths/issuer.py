"""/.well-known/openid-configuration and /openid/v1/jwks: how others verify ServiceAccount tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pilothouse.apiserver.auth.tokens import ServiceAccountTokens
from pilothouse.apiserver.http.answer import JSON, Answer
from pilothouse.apiserver.http.request import Handler, Request, Response
from pilothouse.machinery import errors
from pilothouse.machinery.meta_v1 import StatusDetails

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
KEYS_FORM = "application/jwk-set+json"
CACHE = "public, max-age=3600"


def keys_address(issuer: str, server: str) -> str:
    """Address of the keys: below the issuer if that is an https URL, otherwise at the server."""
    base = issuer.rstrip("/") if issuer.startswith("https://") else f"https://{server}"
    return f"{base}{KEYS}"


def paths(tokens: ServiceAccountTokens, server_address: Callable[[], str]) -> Mapping[str, Handler]:
    """Handlers of the two OpenID discovery documents, by path."""

    async def configuration(request: Request) -> Response:
        document = {
            "issuer": tokens.issuer,
            "jwks_uri": tokens.keys_url or keys_address(tokens.issuer, server_address()),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted({key.algorithm for key in tokens.keys.public.values()}),
        }
        return Answer(200, msgspec.json.encode(document), JSON, cache=CACHE)

    async def keys(request: Request) -> Response:
        accept = request.header("Accept")
        if accept and not any(clause.partition(";")[0].strip() in ("*/*", KEYS_FORM) for clause in accept.split(",")):
            message = f"406: Not Acceptable\n\nAvailable representations: {KEYS_FORM}"
            raise errors.failure(406, "NotAcceptable", message, StatusDetails())
        return Answer(200, msgspec.json.encode(tokens.keys.jwks()), KEYS_FORM, cache=CACHE)

    return {CONFIGURATION: configuration, f"{CONFIGURATION}/": configuration, KEYS: keys, f"{KEYS}/": keys}
