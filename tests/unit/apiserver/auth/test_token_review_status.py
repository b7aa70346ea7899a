"""What a client says in the status of a TokenReview is no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pilothouse.api.types.authentication_v1 import TokenReview, TokenReviewSpec, TokenReviewStatus
from pilothouse.apiserver.auth.credentials import Authenticated, BadToken
from pilothouse.apiserver.auth.reviews import answer_token


class Nobody:
    async def by_token(self, token: str, audiences: Sequence[str] = ()) -> Authenticated:
        raise BadToken("invalid bearer token")


def test_a_token_that_is_not_valid_is_not_authenticated_though_the_client_says_so() -> None:
    review = TokenReview(spec=TokenReviewSpec(token="bad"), status=TokenReviewStatus(authenticated=True))
    asyncio.run(answer_token(review, Nobody()))
    assert not review.status.authenticated
    assert review.status.error == "invalid bearer token"
