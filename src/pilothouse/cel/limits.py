"""Budgets and sizes of CEL in Kubernetes (apiserver/pkg/apis/cel, apiserver/pkg/cel/limits.go, apiextensions' validation)."""

from __future__ import annotations

PER_CALL_LIMIT = 1_000_000
"""Run-time cost of one expression."""
RUNTIME_BUDGET = 10_000_000
"""Run-time cost of all expressions of one object, or of one policy binding."""
MATCH_CONDITIONS_BUDGET = 2_500_000
STATIC_LIMIT = 10_000_000
"""Estimated cost of one rule of a definition, times how often it may apply."""
STATIC_DEFINITION_LIMIT = 100_000_000
"""The same in sum over a definition."""
CHECK_FREQUENCY = 100
"""Turns of a comprehension between two looks at whether it was interrupted."""
MAX_REQUEST_BYTES = 3 * 1024 * 1024
MAX_MESSAGE_BYTES = 5 * 1024
"""The longest text that a messageExpression may make."""

MAX_DURATION, MAX_DATE_TIME, DATE_SIZE = 32, 32, 12
MIN_DURATION, MIN_DATE_TIME, MIN_STRING, MIN_BOOL, MIN_NUMBER = 3, 21, 2, 4, 1
"""Octets of values in JSON."""
