"""ServiceCIDR: a range that ClusterIPs come from."""

from __future__ import annotations

from pilothouse.api.core.validation.addresses import dual_stack, validate_range
from pilothouse.api.core.validation.fields import immutable
from pilothouse.api.types.networking_v1 import ServiceCIDR
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource
from pilothouse.machinery.strategy import METADATA, Strategy

SERVICECIDR = Resource(
    ServiceCIDR,
    plural="servicecidrs",
    namespaced=False,
    subresources=(STATUS,),
    columns=(Column("CIDRs", lambda one: ",".join(one.spec.cidrs)), AGE),
    reset_fields={"status": ("metadata", "spec")},
    strategy=Strategy(status_keeps=METADATA, generation=None),
)


@SERVICECIDR.validate
def validate(one: ServiceCIDR, problems: Problems) -> None:
    ranges, here = one.spec.cidrs, problems.at("spec", "cidrs")
    if not ranges:
        here.required("at least one CIDR required")
    if len(ranges) > 2 or (len(ranges) == 2 and not dual_stack(ranges)):
        here.invalid(ranges, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64")
    for index, value in enumerate(ranges):
        validate_range(value, here.at(index))


@SERVICECIDR.validate_update
def validate_update(old: ServiceCIDR, new: ServiceCIDR, problems: Problems) -> None:
    immutable(new.spec.cidrs[: len(old.spec.cidrs)], old.spec.cidrs, problems, "spec", "cidrs")
