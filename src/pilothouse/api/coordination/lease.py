"""Lease: who holds something, and until when."""

from __future__ import annotations

from pilothouse.api.core.validation.fields import NEGATIVE
from pilothouse.api.types.coordination_v1 import Lease
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

LEASE = Resource(
    Lease,
    plural="leases",
    columns=(Column("Holder", lambda lease: lease.spec.holderIdentity or ""), AGE),
    strategy=Strategy(any_finalizer=True, allow_create_on_update=True, allow_unconditional_update=False, generation=None),
)


@LEASE.prepare_create
def prepare_create(lease: Lease) -> None:
    """Fields of coordinated leader election are dropped: the feature is off at this level."""
    lease.spec.strategy = lease.spec.preferredHolder = None


@LEASE.prepare_update
def prepare_update(old: Lease, new: Lease) -> None:
    """Drop fields of coordinated leader election (KEP-4355) that the stored Lease does not have."""
    for field in ("strategy", "preferredHolder"):
        if getattr(old.spec, field) is None:
            setattr(new.spec, field, None)


@LEASE.validate
def validate(lease: Lease, problems: Problems) -> None:
    """Duration and transitions in their ranges, and no preferred holder without a strategy. Upstream: ValidateLeaseSpec."""
    spec, here = lease.spec, problems.at("spec")
    if spec.leaseDurationSeconds is not None and spec.leaseDurationSeconds <= 0:
        here.at("leaseDurationSeconds").invalid(spec.leaseDurationSeconds, "must be greater than 0")
    if spec.leaseTransitions is not None and spec.leaseTransitions < 0:
        here.at("leaseTransitions").invalid(spec.leaseTransitions, NEGATIVE)
    if spec.preferredHolder and not spec.strategy:
        here.at("preferredHolder").invalid(spec.preferredHolder, "can only be specified when strategy is defined")
