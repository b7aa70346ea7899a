"""LocalSubjectAccessReview: asks whether a user may do something in one namespace.

Answered by apiserver/auth/reviews.py when it is created; never stored.
"""

from __future__ import annotations

from pilothouse.api.types.authorization_v1 import LocalSubjectAccessReview
from pilothouse.machinery.resource import Resource

LOCALSUBJECTACCESSREVIEW = Resource(
    LocalSubjectAccessReview,
    plural="localsubjectaccessreviews",
    verbs=("create",),
    reset_fields={"": ()},
)
