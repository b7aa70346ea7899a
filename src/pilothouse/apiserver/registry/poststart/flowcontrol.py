"""The default FlowSchemas and PriorityLevelConfigurations, and the condition Dangling of every FlowSchema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from pilothouse.api.types.flowcontrol_v1 import FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration
from pilothouse.apiserver.fairness.defaults import MANDATORY, flow_schemas, priority_levels
from pilothouse.apiserver.fairness.ensuring import changes, condition_of, dangling
from pilothouse.apiserver.registry.poststart.hook import Hook
from pilothouse.apiserver.registry.seeding import TIME, Seed, applied_status, seed
from pilothouse.machinery import time

PRODUCER = "api-priority-and-fairness-config-producer-v1"
CONSUMER = "api-priority-and-fairness-config-consumer-v1"
"""Upstream's field managers of the two."""

CONDITIONS = (
    b'{"f:status":{"f:conditions":{"k:{\\"type\\":\\"Dangling\\"}":{".":{},"f:lastTransitionTime":{},"f:message":{},"f:reason":{},'
    b'"f:status":{},"f:type":{}}}}}'
)
"""What the consumer owns."""


class FlowControl(Hook):
    """Upstream's hooks priority-and-fairness-config-producer and -consumer."""

    name = "priority-and-fairness-config"
    kinds = (FlowSchema, PriorityLevelConfiguration)

    def seeds(self) -> Iterable[Seed]:
        """The default objects, with the condition Dangling False."""
        return default_seeds()

    async def reconcile(self) -> None:
        """Create and repair the default objects, then update the condition Dangling of all FlowSchemas."""
        await self._ensure(PriorityLevelConfiguration, priority_levels())
        await self._ensure(FlowSchema, flow_schemas())
        levels = MANDATORY.union(level.metadata.name for level in await self.store.list(PriorityLevelConfiguration))
        for schema in await self.store.list(FlowSchema):
            condition = dangling(schema, levels)
            if condition is not None:
                status = {"conditions": [self._timed(condition)]}
                await self.apply_status(FlowSchema, schema.metadata.name, status, manager=CONSUMER)

    async def _ensure(self, kind: type[Any], defaults: Sequence[Any]) -> None:
        current = {obj.metadata.name: obj for obj in await self.store.list(kind)}
        for step in changes(current, defaults):
            if step.verb == "create":
                await seed(self.store, [each for each in default_seeds() if (each.kind, each.name) == (kind, step.object.metadata.name)])
            else:
                await self.write(step.verb, step.object, manager=PRODUCER)

    def _timed(self, condition: FlowSchemaCondition) -> FlowSchemaCondition:
        condition.lastTransitionTime = time.now_text(self.store.clock)
        return condition


@cache
def default_seeds() -> tuple[Seed, ...]:
    """The defaults, with the conditions that they have while all of them are there."""
    schemas = flow_schemas()
    for schema in schemas:
        condition = condition_of(schema, is_dangling=False)
        condition.lastTransitionTime = TIME
        schema.status.conditions = [condition]
    consumer = applied_status(FlowSchema, CONDITIONS, CONSUMER)
    levels = (Seed.of(level, manager=PRODUCER) for level in priority_levels())
    return (*levels, *(Seed.of(schema, consumer, manager=PRODUCER) for schema in schemas))
