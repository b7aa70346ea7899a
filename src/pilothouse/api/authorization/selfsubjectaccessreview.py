"""SelfSubjectAccessReview: asks whether the asker may do something."""

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
