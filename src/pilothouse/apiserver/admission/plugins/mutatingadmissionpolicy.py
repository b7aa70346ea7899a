"""MutatingAdmissionPolicy: CEL expressions of the cluster's users that change objects (admission/policies)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilothouse.api.types.admissionregistration_v1 import MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding
from pilothouse.apiserver.admission.plugin import DELETE, AdmissionRequest, Plugin, World
from pilothouse.apiserver.admission.policies.source import Source
from pilothouse.apiserver.admission.reinvocation import Reinvocations

if TYPE_CHECKING:
    from pilothouse.apiserver.admission.policies.mutating import Mutator


def _compiled(policy: MutatingAdmissionPolicy) -> Mutator:
    """The expression language is loaded with the first policy: a cluster without any starts faster."""
    from pilothouse.apiserver.admission.policies.mutating import Mutator

    return Mutator(policy)


class MutatingAdmissionPolicyPlugin(Plugin):
    """Asks all policies in order, and those that want it once more when the object was changed after them."""

    name = "MutatingAdmissionPolicy"
    configured_by = MutatingAdmissionPolicy

    def __init__(self) -> None:
        self._source: Source[Mutator] = Source(MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, _compiled)

    def extends(self, request: AdmissionRequest, world: World) -> bool:
        """Whether a policy may select this request, judged without its match conditions; deletions never."""
        return request.operation != DELETE and self._source.may_select(request, world)

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Apply the mutations of every policy that matches.

        A change asks for reinvocation; an error of a policy that fails closed refuses the request.
        """
        if request.operation == DELETE:
            return
        candidates = await self._source.candidates(request, world)
        if not candidates:
            return
        from pilothouse.apiserver.admission.policies.mutating import Mutations, refusal_of

        reinvocation = request.reinvocation
        state: Reinvocations = reinvocation.states.setdefault(self.name, Reinvocations())
        mutations = Mutations(request, world, state, is_second=reinvocation.is_second)
        await mutations.run(candidates)
        if mutations.has_changed:
            reinvocation.required = True
        if mutations.errors:
            raise refusal_of(request, mutations.errors)
