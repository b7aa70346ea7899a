"""PriorityLevelConfiguration: how much of the server a priority level may use."""

from __future__ import annotations

import math
from typing import Any

from pilothouse.api.core.columns import NONE
from pilothouse.api.flowcontrol.rules import validate_condition_types
from pilothouse.api.types.flowcontrol_v1 import (
    ExemptPriorityLevelConfiguration,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
)
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

MOST_QUEUES, MOST_BITS = 10_000_000, 60
SHARES, QUEUES, HAND_SIZE, QUEUE_LENGTH = 30, 64, 8, 50


def _queuing(level: PriorityLevelConfiguration, field: str) -> Any:
    response = level.spec.limited.limitResponse if level.spec.limited else None
    return getattr(response.queuing, field) if response and response.queuing else NONE


PRIORITYLEVELCONFIGURATION = Resource(
    PriorityLevelConfiguration,
    plural="prioritylevelconfigurations",
    namespaced=False,
    subresources=(STATUS,),
    columns=(
        Column("Type", lambda level: level.spec.type),
        Column("NominalConcurrencyShares", lambda level: level.spec.limited.nominalConcurrencyShares if level.spec.limited else NONE),
        Column("Queues", lambda level: _queuing(level, "queues")),
        Column("HandSize", lambda level: _queuing(level, "handSize")),
        Column("QueueLengthLimit", lambda level: _queuing(level, "queueLengthLimit")),
        AGE,
    ),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(status_keeps=METADATA),
)


@PRIORITYLEVELCONFIGURATION.default
def default(level: PriorityLevelConfiguration) -> None:
    """30 shares, nothing lendable, Reject, and the defaults of queuing. Upstream: SetDefaults_LimitedPriorityLevelConfiguration."""
    if level.spec.type == "Exempt":
        exempt = level.spec.exempt = level.spec.exempt or ExemptPriorityLevelConfiguration()
        exempt.nominalConcurrencyShares = exempt.nominalConcurrencyShares or 0
        exempt.lendablePercent = exempt.lendablePercent or 0
    limited = level.spec.limited
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
def validate(level: PriorityLevelConfiguration, problems: Problems) -> None:
    """The type, and the fields that belong to it. Upstream: ValidatePriorityLevelConfiguration."""
    spec, here = level.spec, problems.at("spec")
    if (level.metadata.name == "exempt") != (spec.type == "Exempt"):
        here.at("type").invalid(spec.type, "must be 'Exempt' if and only if `name` is 'exempt'")
    if spec.type == "Exempt":
        if spec.exempt is not None:
            _validate_shares(spec.exempt, here.at("exempt"))
    elif spec.type == "Limited":
        if spec.limited is not None:
            _validate_limited(spec.limited, here.at("limited"))
    elif spec.type:
        here.at("type").not_supported(spec.type, ("Exempt", "Limited"))
    _validate_declared(spec, here)


def _validate_shares(level: Any, problems: Problems) -> None:
    shares, lendable = level.nominalConcurrencyShares, level.lendablePercent
    if (shares or 0) < 0:
        problems.at("nominalConcurrencyShares").invalid(shares, "must be a non-negative integer")
    if isinstance(level, LimitedPriorityLevelConfiguration):
        _validate_response(level.limitResponse, problems.at("limitResponse"))
    if not 0 <= (lendable or 0) <= 100:
        problems.at("lendablePercent").invalid(lendable, "must be between 0 and 100, inclusive")


def _validate_limited(level: LimitedPriorityLevelConfiguration, problems: Problems) -> None:
    _validate_shares(level, problems)
    limit = level.borrowingLimitPercent
    if limit is not None and limit < 0:
        problems.at("borrowingLimitPercent").invalid(limit, "if specified, must be a non-negative integer")


def _validate_response(response: LimitResponse | None, problems: Problems) -> None:
    if response is None:
        return
    if response.type == "Queue":
        if response.queuing is not None:
            _validate_queuing(response.queuing, problems.at("queuing"))
    elif response.type and response.type != "Reject":
        problems.at("type").not_supported(response.type, ("Queue", "Reject"))


def _validate_queuing(queuing: QueuingConfiguration, problems: Problems) -> None:
    queues, hand = queuing.queues or 0, queuing.handSize or 0
    if (queuing.queueLengthLimit or 0) <= 0:
        problems.at("queueLengthLimit").invalid(queuing.queueLengthLimit, "must be positive")
    if queues <= 0:
        problems.at("queues").invalid(queues, "must be positive")
    elif queues > MOST_QUEUES:
        problems.at("queues").invalid(queues, f"must not be greater than {MOST_QUEUES}")
    here = problems.at("handSize")
    if hand <= 0:
        here.invalid(hand, "must be positive")
    elif hand > queues:
        here.invalid(hand, f"should not be greater than queues ({queues})")
    elif math.ceil(math.log2(math.perm(queues, hand)) if hand * math.log2(queues + 1) < 1000 else 1000) > MOST_BITS:
        here.invalid(hand, f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MOST_BITS}")


def _validate_declared(spec: PriorityLevelConfigurationSpec, here: Problems) -> None:
    """What upstream checks by declarations, after the rest."""
    if spec.exempt is not None and spec.type != "Exempt":
        here.at("exempt").forbidden("")
    if spec.limited is not None:
        if spec.type != "Limited":
            here.at("limited").forbidden("")
        response, where = spec.limited.limitResponse or LimitResponse(), here.at("limited", "limitResponse")
        if response.queuing is not None and response.type != "Queue":
            where.at("queuing").forbidden("")
        if response.queuing is None and response.type == "Queue":
            where.at("queuing").required()
        if not response.type:
            where.at("type").required()
    elif spec.type == "Limited":
        here.at("limited").required()
    if not spec.type:
        here.at("type").required()


@PRIORITYLEVELCONFIGURATION.validate_status
def validate_status(old: PriorityLevelConfiguration, new: PriorityLevelConfiguration, problems: Problems) -> None:
    """Condition types are unique. Upstream: ValidatePriorityLevelConfigurationStatusUpdate."""
    validate_condition_types(new.status.conditions, problems.at("status", "conditions"))
