"""The webhooks of all configurations of one kind, as the watch cache shows them: made anew when one has changed.

Configurations are asked in the order of their names, each one's webhooks in their own order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pilothouse.api.types.admissionregistration_v1 import MutatingWebhook, ValidatingWebhook
from pilothouse.apiserver.admission.matching.criteria import of_webhook
from pilothouse.apiserver.admission.matching.index import Candidate, Index
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.webhooks.endpoint import Endpoint, endpoint_of

if TYPE_CHECKING:
    from pilothouse.api.expressions.admission import Compiled

TIMEOUT_SECONDS = 10
SIDE_EFFECT_FREE = ("None", "NoneOnDryRun")


@dataclass(frozen=True)
class Hook:
    """One webhook of a configuration.

    `index` distinguishes webhooks of equal name, `position` is its place among all; `type` is admit or validating.

    `index` distinguishes webhooks of equal name, `position` is its place among all; `type` is admit or validating.
    """

    configuration: str
    webhook: MutatingWebhook | ValidatingWebhook
    index: int
    position: int
    type: str

    @property
    def name(self) -> str:
        """Full name of the webhook, as messages print it."""
        return self.webhook.name

    @property
    def key(self) -> str:
        """Identity of the webhook."""
        return f"{self.configuration}/{self.name}/{self.index}"

    @cached_property
    def conditions(self) -> Sequence[Compiled]:
        """Its match conditions, compiled when they are needed first."""
        from pilothouse.api.expressions.admission import Compiler

        compiler = Compiler(composed=False)
        return [compiler.compile(condition.expression, "condition") for condition in self.webhook.matchConditions]

    @property
    def ignores_failures(self) -> bool:
        """Whether a call that fails lets the request pass (failurePolicy Ignore)."""
        return self.webhook.failurePolicy == "Ignore"

    @property
    def is_reinvoked(self) -> bool:
        """Whether a change by later plugins calls this mutating webhook again (reinvocationPolicy IfNeeded)."""
        return isinstance(self.webhook, MutatingWebhook) and self.webhook.reinvocationPolicy == "IfNeeded"

    @property
    def seconds(self) -> int:
        """Time limit of one call; 10 seconds when the webhook sets none."""
        return self.webhook.timeoutSeconds or TIMEOUT_SECONDS

    @cached_property
    def endpoint(self) -> Endpoint:
        """Endpoint of the webhook. Raises CallFailed for an empty clientConfig."""
        return endpoint_of(self.webhook.clientConfig)


class Source:
    """The webhooks of configurations of `kind`."""

    def __init__(self, kind: type[Any], type: str) -> None:
        self._kind, self._type = kind, type
        self._revision = -1
        self._index: Index[Hook] | None = None

    async def candidates(self, request: AdmissionRequest, world: World) -> Sequence[Candidate[Hook]]:
        """The webhooks whose rules select a request, in their order."""
        if self._is_outdated(world):
            configurations = await world.list(self._kind)
            self._revision = world.changed(self._kind)
            self._index = Index([(hook, of_webhook(hook.webhook)) for hook in hooks_of(configurations, self._type)], world.catalogue)
        assert self._index is not None
        return self._index.candidates(request)

    def may_select(self, request: AdmissionRequest, world: World) -> bool:
        """Whether there may be such webhooks. True as long as that is not known."""
        return self._index is None or self._is_outdated(world) or bool(self._index.candidates(request))

    def _is_outdated(self, world: World) -> bool:
        return world.changed(self._kind) != self._revision or self._index is None


def hooks_of(configurations: Iterable[Any], type: str) -> Iterator[Hook]:
    """All webhooks in the order in which they are asked."""
    position = 0
    for configuration in sorted(configurations, key=lambda each: each.metadata.name):
        seen: dict[str, int] = {}
        for webhook in configuration.webhooks:
            seen[webhook.name] = index = seen.get(webhook.name, -1) + 1
            yield Hook(configuration.metadata.name, webhook, index, position, type)
            position += 1
