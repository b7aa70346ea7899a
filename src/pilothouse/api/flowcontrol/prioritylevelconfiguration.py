"""PriorityLevelConfiguration: how much of the server a priority level may use."""

from __future__ import annotations

from typing import Any

from pilothouse.api.core.columns import NONE
from pilothouse.api.types.flowcontrol_v1 import (
    ExemptPriorityLevelConfiguration,
    LimitResponse,
    PriorityLevelConfiguration,
    QueuingConfiguration,
)
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource

SHARES, QUEUES, HAND_SIZE, QUEUE_LENGTH = 30, 64, 8, 50


def _queuing(one: PriorityLevelConfiguration, field: str) -> Any:
    response = one.spec.limited.limitResponse if one.spec.limited else None
    return getattr(response.queuing, field) if response and response.queuing else NONE


PRIORITYLEVELCONFIGURATION = Resource(
    PriorityLevelConfiguration,
    plural="prioritylevelconfigurations",
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("Type", lambda one: one.spec.type),
        Column("NominalConcurrencyShares", lambda one: one.spec.limited.nominalConcurrencyShares if one.spec.limited else NONE),
        Column("Queues", lambda one: _queuing(one, "queues")),
        Column("HandSize", lambda one: _queuing(one, "handSize")),
        Column("QueueLengthLimit", lambda one: _queuing(one, "queueLengthLimit")),
        AGE,
    ),
    reset_fields={"status": ("metadata", "spec")},
)


@PRIORITYLEVELCONFIGURATION.default
def default(one: PriorityLevelConfiguration) -> None:
    if one.spec.type == "Exempt":
        exempt = one.spec.exempt = one.spec.exempt or ExemptPriorityLevelConfiguration()
        exempt.nominalConcurrencyShares = exempt.nominalConcurrencyShares or 0
        exempt.lendablePercent = exempt.lendablePercent or 0
    limited = one.spec.limited
    if limited is None:
        return
    if limited.nominalConcurrencyShares is None:
        limited.nominalConcurrencyShares = SHARES
    limited.lendablePercent = limited.lendablePercent or 0
    limited.limitResponse = limited.limitResponse or LimitResponse()
    if limited.limitResponse.queuing:
        _default_queuing(limited.limitResponse.queuing)


def _default_queuing(queuing: QueuingConfiguration) -> None:
    queuing.queues = queuing.queues or QUEUES
    queuing.handSize = queuing.handSize or HAND_SIZE
    queuing.queueLengthLimit = queuing.queueLengthLimit or QUEUE_LENGTH


@PRIORITYLEVELCONFIGURATION.validate
def validate(one: PriorityLevelConfiguration, problems: Problems) -> None:
    here = problems.at("spec")
    if one.spec.type not in ("Exempt", "Limited"):
        here.at("type").not_supported(one.spec.type, ("Exempt", "Limited"))
    if one.spec.type == "Exempt" and one.spec.limited:
        here.at("limited").forbidden("must be nil if the type is not Limited")
    if one.spec.type == "Limited" and one.spec.exempt:
        here.at("exempt").forbidden("must be nil if the type is Limited")
    if one.spec.type == "Limited" and not one.spec.limited:
        here.at("limited").required("must not be empty when type is Limited")
