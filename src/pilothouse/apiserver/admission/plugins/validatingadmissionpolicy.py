"""ValidatingAdmissionPolicy: CEL rules of the cluster's users that refuse requests, or warn of them (admission/policies)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilothouse.api.types.admissionregistration_v1 import ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding
from pilothouse.apiserver.admission.plugin import AdmissionRequest, Plugin, World
from pilothouse.apiserver.admission.policies.source import Source

if TYPE_CHECKING:
    from pilothouse.apiserver.admission.policies.validating import Validator


def _compiled(policy: ValidatingAdmissionPolicy) -> Validator:
    """The expression language is loaded with the first policy: a cluster without any starts faster."""
    from pilothouse.apiserver.admission.policies.validating import Validator

    return Validator(policy)


class ValidatingAdmissionPolicyPlugin(Plugin):
    """Asks all policies; the first that denies is the answer. Warnings and audit annotations are told in any case."""

    name = "ValidatingAdmissionPolicy"
    configured_by = ValidatingAdmissionPolicy

    def __init__(self) -> None:
        self._source: Source[Validator] = Source(ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, _compiled)

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Evaluate every policy that matches; collect warnings and audit annotations, then raise the first refusal."""
        candidates = await self._source.candidates(request, world)
        if not candidates:
            return
        from pilothouse.apiserver.admission.policies.validating import judge, refusal_of

        outcome = await judge(candidates, request, world)
        request.warnings.extend(outcome.warnings)
        request.audit_annotations.update(outcome.audit_annotations())
        if outcome.refusals:
            raise refusal_of(request, outcome.refusals[0])
