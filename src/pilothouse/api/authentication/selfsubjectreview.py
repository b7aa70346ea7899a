"""SelfSubjectReview: asks as which user the request was authenticated.

Answered by apiserver/auth/reviews.py when it is created; never stored.
"""

from __future__ import annotations

from pilothouse.api.types.authentication_v1 import SelfSubjectReview
from pilothouse.machinery.resource import Resource

SELFSUBJECTREVIEW = Resource(
    SelfSubjectReview,
    plural="selfsubjectreviews",
    namespaced=False,
    verbs=("create",),
    reset_fields={"": ()},
)
