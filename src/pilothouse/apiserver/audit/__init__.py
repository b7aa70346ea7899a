"""Auditing: which requests are recorded, how much of each, and where to.

- policy.py: an audit Policy, read and judged, and what it says of a request (pure). event.py: the events and their two forms (pure).
- auditor.py gathers what is to be told of a request while it is answered, and hands events to backends at its stages.
- backends.py: batches, truncation, modes. logfile.py: lines in a rotated file. webhook.py: lists of events by HTTP.

Upstream: apiserver/pkg/audit, pkg/endpoints/filters/audit.go and plugin/pkg/audit.
"""
