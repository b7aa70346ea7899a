"""SelfSubjectAccessReview: asks whether the user who creates it may do something.

Answered by apiserver/auth/reviews.py when it is created; never stored.
"""

from __future__ import annotations

from pilothouse.api.types.authorization_v1 import SelfSubjectAccessReview
from pilothouse.machinery.resource import Resource

SELFSUBJECTACCESSREVIEW = Resource(
    SelfSubjectAccessReview,
    plural="selfsubjectaccessreviews",
    namespaced=False,
    verbs=("create",),
    reset_fields={"": ()},
)
