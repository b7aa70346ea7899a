"""SubjectAccessReview: asks whether a user may do something.

Answered by apiserver/auth/reviews.py when it is created; never stored.
"""

from __future__ import annotations

from pilothouse.api.types.authorization_v1 import SubjectAccessReview
from pilothouse.machinery.resource import Resource

SUBJECTACCESSREVIEW = Resource(
    SubjectAccessReview,
    plural="subjectaccessreviews",
    namespaced=False,
    verbs=("create",),
    reset_fields={"": ()},
)
