"""LocalSubjectAccessReview: asks what somebody may do in one namespace."""

from __future__ import annotations

from pilothouse.api.types.authorization_v1 import LocalSubjectAccessReview
from pilothouse.machinery.resource import Resource

LOCALSUBJECTACCESSREVIEW = Resource(
    LocalSubjectAccessReview,
    plural="localsubjectaccessreviews",
    verbs=("create",),
    reset_fields={"": ()},
)
