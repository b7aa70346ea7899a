"""SelfSubjectRulesReview: asks for all that the user who creates it may do in a namespace.

Answered by apiserver/auth/reviews.py when it is created; never stored.
"""

from __future__ import annotations

from pilothouse.api.types.authorization_v1 import SelfSubjectRulesReview
from pilothouse.machinery.resource import Resource

SELFSUBJECTRULESREVIEW = Resource(
    SelfSubjectRulesReview,
    plural="selfsubjectrulesreviews",
    namespaced=False,
    verbs=("create",),
    reset_fields={"": ()},
)
