"""TokenReview: asks for which user a bearer token stands.

Answered by apiserver/auth/reviews.py when it is created; never stored.
"""

from __future__ import annotations

from pilothouse.api.types.authentication_v1 import TokenReview
from pilothouse.machinery.resource import Resource

TOKENREVIEW = Resource(
    TokenReview,
    plural="tokenreviews",
    namespaced=False,
    verbs=("create",),
    reset_fields={"": ()},
)
