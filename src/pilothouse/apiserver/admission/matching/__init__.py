"""Matching of requests for webhooks and policies: rules, versions of a resource, selectors.

- `rules.py` and `versions.py` are pure; `criteria.py` is the decision about one request; `index.py` answers most requests by one lookup.
- Upstream: k8s.io/apiserver/pkg/admission/plugin/webhook/predicates, and .../plugin/policy/matching.
"""
