"""Match conditions: whether a policy or a webhook is asked about a request that its rules select (upstream: webhook/matchconditions).

The first that is false settles it. Errors count only where none is false: then the failure policy has the word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pilothouse.api.expressions.admission import Compiled
from pilothouse.apiserver.admission.expressions.evaluation import BudgetExceeded, Evaluation
from pilothouse.machinery.quoting import aggregate


class ConditionsFailed(Exception):
    """Conditions could not be evaluated, and the failure policy is Fail. `str()` is upstream's text of all errors."""


def matches(conditions: Sequence[Compiled], evaluation: Evaluation, *, fails: bool, failed: Callable[[str], None] = lambda _: None) -> bool:
    """Whether all conditions are true; ConditionsFailed when that cannot be said and the failure policy is Fail, else False.

    `failed` is told the error of each that cannot be evaluated before one that is false.
    """
    try:
        results = [evaluation.evaluate(condition) for condition in conditions]
    except BudgetExceeded as error:
        if fails:
            raise ConditionsFailed(str(error)) from error
        return False
    for result in results:
        if result.error:
            failed(result.error)
        elif result.value is False:
            return False
    errors = [result.error for result in results if result.error]
    if errors and fails:
        raise ConditionsFailed(aggregate(errors))
    return not errors
