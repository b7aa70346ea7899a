"""/.well-known/openid-configuration and /openid/v1/jwks: how others verify ServiceAccount tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pilothouse.apiserver.auth.keys import ALGORITHM
from pilothouse.apiserver.auth.tokens import ServiceAccountTokens
from pilothouse.apiserver.http.answer import JSON, Answer
from pilothouse.apiserver.http.request import Handler, Request, Response

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
CACHE = "public, max-age=3600"


def paths(tokens: ServiceAccountTokens, server_address: Callable[[], str]) -> Mapping[str, Handler]:
    async def configuration(request: Request) -> Response:
        document = {
            "issuer": tokens.issuer,
            "jwks_uri": f"https://{server_address()}{KEYS}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }
        return Answer(200, msgspec.json.encode(document), JSON, cache=CACHE)

    async def keys(request: Request) -> Response:
        return Answer(200, msgspec.json.encode(tokens.keys.jwks()), "application/jwk-set+json", cache=CACHE)

    return {CONFIGURATION: configuration, f"{CONFIGURATION}/": configuration, KEYS: keys, f"{KEYS}/": keys}
