"""ValidatingAdmissionWebhook: programs of the cluster's users that refuse requests (admission/webhooks)."""

from __future__ import annotations

from pilothouse.api.types.admissionregistration_v1 import ValidatingWebhookConfiguration
from pilothouse.apiserver.admission.plugin import AdmissionRequest, Plugin, World
from pilothouse.apiserver.admission.webhooks.configuration import Source
from pilothouse.apiserver.admission.webhooks.validating import validate


class ValidatingAdmissionWebhook(Plugin):
    """Asks all webhooks at once."""

    name = "ValidatingAdmissionWebhook"
    configured_by = ValidatingWebhookConfiguration

    def __init__(self) -> None:
        self._source = Source(ValidatingWebhookConfiguration, "validating")

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Call every webhook that matches, in parallel. Raises the refusal of a webhook, or its failure under failurePolicy Fail."""
        candidates = await self._source.candidates(request, world)
        if candidates:
            await validate(candidates, request, world)
