"""IPAddress: one address that is taken."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.api.core.columns import NONE
from pilothouse.api.core.validation.addresses import BAD_ADDRESS, parsed
from pilothouse.api.types.networking_v1 import IPAddress
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, UNDECLARED, Column, Resource
from pilothouse.machinery.strategy import Strategy


def _parent(address: IPAddress) -> str:
    parent = address.spec.parentRef
    if parent is None or not parent.name:
        return NONE
    kind = f"{parent.resource}.{parent.group}" if parent.group else parent.resource
    return "/".join(filter(None, (kind.lower(), parent.namespace, parent.name)))


def _canonical(name: str) -> list[str]:
    address = parsed(name)
    return [] if address and str(address) == name else [BAD_ADDRESS if address is None else f'must be in canonical form ("{address}")']


IPADDRESS = Resource(
    IPAddress,
    plural="ipaddresses",
    short_names=("ip",),
    namespaced=False,
    columns=(Column("ParentRef", _parent), replace(AGE, priority=UNDECLARED)),
    name_rule=_canonical,
    strategy=Strategy(validates_generate_name=True, generation=None),
)


@IPADDRESS.validate
def validate(address: IPAddress, problems: Problems) -> None:
    """The parent reference names resource and object. Upstream: ValidateIPAddress."""
    here = problems.at("spec", "parentRef")
    if address.spec.parentRef is None:
        here.required()
        return
    for field in ("resource", "name"):
        if not getattr(address.spec.parentRef, field):
            here.at(field).required()


@IPADDRESS.validate_update
def validate_update(old: IPAddress, new: IPAddress, problems: Problems) -> None:
    """The parent reference never changes. Upstream: ValidateIPAddressUpdate."""
    if new.spec.parentRef != old.spec.parentRef:
        problems.at("spec", "parentRef").invalid(None, IMMUTABLE)
