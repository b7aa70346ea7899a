"""TokenReview: asks whose a token is."""

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
