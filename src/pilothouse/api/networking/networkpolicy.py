"""NetworkPolicy: which traffic Pods accept and send."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from pilothouse.api.core.columns import selector_text
from pilothouse.api.core.validation.addresses import validate_range
from pilothouse.api.core.validation.fields import port_or_name, report
from pilothouse.api.core.validation.selectors import validate_label_selector
from pilothouse.api.core.warnings.addresses import of_range
from pilothouse.api.types.networking_v1 import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from pilothouse.machinery import names
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource

PROTOCOLS = ("TCP", "UDP", "SCTP")
POLICY_TYPES = ("Ingress", "Egress")

NETWORKPOLICY = Resource(
    NetworkPolicy,
    plural="networkpolicies",
    short_names=("netpol",),
    columns=(Column("Pod-Selector", lambda policy: selector_text(policy.spec.podSelector)), AGE),
)


@NETWORKPOLICY.default
def default(policy: NetworkPolicy) -> None:
    """Default policyTypes: Ingress, and Egress if there are egress rules."""
    spec = policy.spec
    spec.podSelector = spec.podSelector or LabelSelector()
    for ports in (*(rule.ports for rule in spec.ingress), *(rule.ports for rule in spec.egress)):
        for port in ports:
            if port.protocol is None:
                port.protocol = "TCP"
    if not spec.policyTypes:
        spec.policyTypes = ["Ingress", "Egress"] if spec.egress else ["Ingress"]


@NETWORKPOLICY.validate
def validate(policy: NetworkPolicy, problems: Problems) -> None:
    """Selector, ports, peers and policy types. Upstream: ValidateNetworkPolicySpec."""
    spec, here = policy.spec, problems.at("spec")
    validate_label_selector(spec.podSelector, here.at("podSelector"))
    for index, ingress in enumerate(spec.ingress):
        _validate_ports(ingress.ports, here.at("ingress", index, "ports"))
        _validate_peers(ingress.from_, here.at("ingress", index, "from"))
    for index, egress in enumerate(spec.egress):
        _validate_ports(egress.ports, here.at("egress", index, "ports"))
        _validate_peers(egress.to, here.at("egress", index, "to"))
    if len(spec.policyTypes) > 2:
        here.at("policyTypes").invalid(spec.policyTypes, "may not specify more than two policyTypes")
    else:
        for index, type in enumerate(spec.policyTypes):
            if type not in POLICY_TYPES:
                here.at("policyTypes", index).not_supported(type, POLICY_TYPES)


def _validate_ports(ports: list[NetworkPolicyPort], problems: Problems) -> None:
    for index, port in enumerate(ports):
        here = problems.at(index)
        if port.protocol not in PROTOCOLS:
            here.at("protocol").not_supported(port.protocol or "", PROTOCOLS)
        if isinstance(port.port, str) and port.endPort is not None:
            here.at("endPort").invalid(port.endPort, "may not be specified when `port` is non-numeric")
        if port.port is not None:
            port_or_name(port.port, here, "port")
        if port.endPort is None or isinstance(port.port, str):
            continue
        if port.port is None:
            here.at("endPort").invalid(port.endPort, "may not be specified when `port` is not specified")
            continue
        if port.endPort < port.port:
            here.at("endPort").invalid(port.endPort, "must be greater than or equal to `port`")
        report(names.port_number(port.endPort), port.endPort, here, "endPort")


def _validate_peers(peers: list[NetworkPolicyPeer], problems: Problems) -> None:
    for index, peer in enumerate(peers):
        here = problems.at(index)
        validate_label_selector(peer.podSelector, here.at("podSelector"))
        validate_label_selector(peer.namespaceSelector, here.at("namespaceSelector"))
        selects = peer.podSelector is not None or peer.namespaceSelector is not None
        if peer.ipBlock:
            _validate_block(peer.ipBlock, here.at("ipBlock"))
            if selects:
                here.forbidden("may not specify both ipBlock and another peer")
        elif not selects:
            here.required("must specify a peer")


def _validate_block(block: IPBlock, problems: Problems) -> None:
    if not block.cidr:
        problems.at("cidr").required()
        return
    if not validate_range(block.cidr, problems.at("cidr")):
        return
    whole = ip_network(block.cidr, strict=False)
    for index, value in enumerate(block.except_):
        here = problems.at("except", index)
        if not validate_range(value, here):
            continue
        part = ip_network(value, strict=False)
        inside = part.version == whole.version and whole.prefixlen < part.prefixlen and part.network_address in whole
        if not inside:
            here.invalid(value, "must be a strict subset of `cidr`")


@NETWORKPOLICY.warn
def warn(new: NetworkPolicy, old: NetworkPolicy | None) -> Iterator[str]:
    """Warnings for address blocks that are not in canonical form."""
    ways = (("ingress", "from", [rule.from_ for rule in new.spec.ingress]), ("egress", "to", [rule.to for rule in new.spec.egress]))
    for way, side, rules in ways:
        for index, peers in enumerate(rules):
            for position, peer in enumerate(peers):
                if peer.ipBlock:
                    yield from _of_block(peer.ipBlock, f"spec.{way}[{index}].{side}[{position}].ipBlock")


def _of_block(block: IPBlock, path: str) -> Iterator[str]:
    yield from of_range(f"{path}.cidr", block.cidr)
    for index, value in enumerate(block.except_):
        yield from of_range(f"{path}.except[{index}]", value)
