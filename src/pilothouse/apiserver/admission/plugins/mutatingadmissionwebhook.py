"""MutatingAdmissionWebhook: programs of the cluster's users that change objects (admission/webhooks)."""

from __future__ import annotations

from pilothouse.api.types.admissionregistration_v1 import MutatingWebhookConfiguration
from pilothouse.apiserver.admission.plugin import AdmissionRequest, Plugin, World
from pilothouse.apiserver.admission.reinvocation import Reinvocations
from pilothouse.apiserver.admission.webhooks.configuration import Source
from pilothouse.apiserver.admission.webhooks.mutating import Mutations


class MutatingAdmissionWebhook(Plugin):
    """Asks the webhooks in order, and those that want it once more when the object was changed after them."""

    name = "MutatingAdmissionWebhook"
    configured_by = MutatingWebhookConfiguration

    def __init__(self) -> None:
        self._source = Source(MutatingWebhookConfiguration, "admit")

    def extends(self, request: AdmissionRequest, world: World) -> bool:
        """Whether a webhook may select this request, judged without its match conditions."""
        return self._source.may_select(request, world)

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Call every webhook that matches, one after the other, and apply its patch.

        Raises the refusal of a webhook, or its failure under failurePolicy Fail.
        """
        candidates = await self._source.candidates(request, world)
        if candidates:
            state: Reinvocations = request.reinvocation.states.setdefault(self.name, Reinvocations())
            await Mutations(request, world, state).run(candidates)
