"""ServiceCIDR: a range that ClusterIPs come from."""

from __future__ import annotations

from pilothouse.api.core.validation.addresses import dual_stack, validate_range
from pilothouse.api.types.networking_v1 import ServiceCIDR
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

SERVICECIDR = Resource(
    ServiceCIDR,
    plural="servicecidrs",
    namespaced=False,
    subresources=(STATUS,),
    columns=(Column("CIDRs", lambda cidr: ",".join(cidr.spec.cidrs)), AGE),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(status_keeps=METADATA, generation=None),
)


@SERVICECIDR.validate
def validate(cidr: ServiceCIDR, problems: Problems) -> None:
    """Validate one or two CIDRs of different families, checked on creation. Upstream: ValidateServiceCIDR."""
    if not cidr.metadata.resourceVersion:  # an update may add a range, and no more
        _validate_ranges(cidr.spec.cidrs, problems.at("spec", "cidrs"))


def _validate_ranges(ranges: list[str], problems: Problems) -> None:
    if not ranges:
        problems.required("at least one CIDR required")
    elif len(ranges) > 2:
        problems.invalid({"CIDRs": ranges}, "may only hold up to 2 values")
    else:
        valid = [validate_range(value, problems.at(index)) for index, value in enumerate(ranges)]
        if len(ranges) == 2 and all(valid) and not dual_stack(ranges):
            message = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            problems.invalid(ranges, message)


@SERVICECIDR.validate_update
def validate_update(old: ServiceCIDR, new: ServiceCIDR, problems: Problems) -> None:
    """Ranges never change; a second one may be added. Upstream: ValidateServiceCIDRUpdate."""
    here = problems.at("spec", "cidrs")
    before, after = old.spec.cidrs, new.spec.cidrs
    if len(before) != len(after) and (len(before), len(after)) != (1, 2):
        here.invalid(after or None, IMMUTABLE)
        return
    for index, value in enumerate(before):
        if after[index] != value:
            here.at(index).invalid(after[index], IMMUTABLE)
    if len(after) > len(before):
        _validate_ranges(after, here)
