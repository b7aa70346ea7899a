"""Network of a node in its own namespace: a veth pair to the host, and routes over it.

- Planning is pure: `plan(...)` gives the `ip -batch` lines for the host and for the namespace, settings and nftables rules.
- The whole block of the cluster is first made unreachable on the host, then its parts get routes over the pair: whatever
  is missing or half taken down, no packet for a pod or a service ever takes the host's default route.
- Inside, the service range belongs to a bridge without ports: what no rule of kube-proxy translates dies there.
- Removing the namespace removes the pair and its routes; the unreachable route and the masquerade table are removed by name.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilothouse.node import linux, namespaces, routes

NODE_INTERFACE = "eth0"
SERVICE_BRIDGE = "pilot-services"
INTERFACE_NAME_LIMIT = 15
LAST_RESORT_METRIC = 4278198272
"""Of the unreachable routes: behind every other."""
BLOCK_PREFIX = 16
"""How large a cluster's block is (cluster/state.py)."""


REMEMBERED = Path("/run/pilothouse/.host-settings")
"""What the host's settings were before the first cluster changed them."""


class NetworkFailure(Exception):
    """A command refused; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Link:
    """Connection of a node to its host: addresses without prefix, ranges with."""

    namespace: str
    host_interface: str
    host_address: str
    node_address: str
    prefix_length: int
    block: str
    """Everything below belongs to this cluster: node link, pods, services."""
    pod_range: str
    service_range: str
    mtu: int = 1500
    egress: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """Commands that set up a node's network."""

    host: Sequence[str]
    """Lines for `ip -batch` on the host; each may be repeated."""
    node: Sequence[str]
    """Lines for `ip -batch` in the namespace."""
    node_settings: Mapping[str, str]
    """Files below /proc/sys in the namespace; one that the kernel lacks is passed over."""
    host_settings: Mapping[str, str] = field(default_factory=dict)
    host_rules: str = ""
    """Input of `nft -f`."""
    node_first: Sequence[str] = ()
    """Lines for the namespace that come before and may each fail."""


def interface_name(cluster: str) -> str:
    """The host's end of the pair: `ph-<cluster>`, shortened by a digest where it would be too long."""
    name = f"ph-{cluster}"
    if len(name) <= INTERFACE_NAME_LIMIT:
        return name
    return f"ph-{hashlib.sha256(cluster.encode()).hexdigest()[: INTERFACE_NAME_LIMIT - 3]}"


def table_name(cluster_namespace: str) -> str:
    """nftables names may not hold dots or dashes everywhere: they become underscores."""
    return cluster_namespace.replace("-", "_").replace(".", "_")


def plan(link: Link) -> Plan:
    """Everything that joins the node's namespace to the host:

    `ip -batch` lines for both sides, settings below /proc/sys, nftables rules. Pure; a default route and masquerading only with
    `link.egress`.
    """
    wire = str(ipaddress.ip_interface(f"{link.host_address}/{link.prefix_length}").network)
    host = [
        f"route replace unreachable {link.block} metric {LAST_RESORT_METRIC}",
        f"link set {link.host_interface} mtu {link.mtu} up",
        f"addr replace {link.host_address}/{link.prefix_length} dev {link.host_interface}",
        f"route replace {wire} dev {link.host_interface} src {link.host_address}",  # comes with the address, and may be lost alone
        f"route replace {link.pod_range} via {link.node_address} dev {link.host_interface}",
        f"route replace {link.service_range} via {link.node_address} dev {link.host_interface}",
    ]
    node = [
        "link set lo up",
        f"link set {NODE_INTERFACE} mtu {link.mtu} up",
        f"addr replace {link.node_address}/{link.prefix_length} dev {NODE_INTERFACE}",
        f"route replace {wire} dev {NODE_INTERFACE} src {link.node_address}",
        f"route replace unreachable {link.block} metric {LAST_RESORT_METRIC}",
        f"link set {SERVICE_BRIDGE} up",
        f"route replace {link.service_range} dev {SERVICE_BRIDGE} src {link.node_address}",
    ]
    if link.egress:
        node.append(f"route replace default via {link.host_address} dev {NODE_INTERFACE}")
    return Plan(
        host=host,
        node=node,
        node_first=(f"link add {SERVICE_BRIDGE} type bridge", "route delete default"),  # it may have had a way out before
        node_settings=NODE_SETTINGS,
        host_settings={"net/ipv4/ip_forward": "1"} if link.egress else {},
        host_rules=masquerade(link) if link.egress else no_table(link.namespace),
    )


def plan_on_host(link: Link) -> Plan:
    """Configuration without a namespace, for a machine given over to the cluster; the ranges are kept off the default route."""
    return Plan(
        host=[
            f"route replace unreachable {link.block} metric {LAST_RESORT_METRIC}",
            f"link set {SERVICE_BRIDGE} up",
            f"route replace {link.service_range} dev {SERVICE_BRIDGE} src {link.node_address}",
        ],
        node=[],
        node_settings={},
        host_settings=NODE_SETTINGS,
        host_rules=masquerade(link) if link.egress else no_table(link.namespace),
    )


NODE_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/bridge/bridge-nf-call-ip6tables": "1",
    "net/netfilter/nf_conntrack_tcp_be_liberal": "1",
}


def no_table(namespace: str) -> str:
    """Removes the masquerade table, whether it is there or not."""
    return f"add table ip {table_name(namespace)}\ndelete table ip {table_name(namespace)}\n"


def masquerade(link: Link) -> str:
    """nftables table for masquerading traffic that leaves the cluster's block."""
    name = table_name(link.namespace)
    return f"""{no_table(link.namespace)}table ip {name} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {link.block} ip daddr != {link.block} oifname != "{link.host_interface}" masquerade
  }}
}}
"""


def set_up(link: Link) -> None:
    """Make the namespace and everything in the plan; repeating it mends what is missing."""
    wanted = plan(link)
    if namespaces.make_network(link.namespace) and link.host_interface in interfaces():
        ip([f"link delete {link.host_interface}"], ignore_failure=True)  # it leads to a namespace that somebody removed by hand
    ip(wanted.host[:1])
    if link.host_interface not in interfaces():
        ip([f"link add {link.host_interface} type veth peer name {NODE_INTERFACE} netns {link.namespace}"])
    ip(wanted.node_first, link.namespace, ignore_failure=True)
    ip(wanted.node, link.namespace)
    ip(wanted.host[1:])
    if wanted.host_settings:
        _remember(wanted.host_settings)
        apply_settings(wanted.host_settings)
    namespaces.inside(namespaces.network_path(link.namespace), lambda: apply_settings(wanted.node_settings))
    nft(wanted.host_rules)


def set_up_on_host(link: Link) -> None:
    """Apply `plan_on_host`: the node shares the host's network namespace.

    Idempotent. Raises NetworkFailure with the words of `ip` or `nft`.
    """
    wanted = plan_on_host(link)
    ip([f"link add {SERVICE_BRIDGE} type bridge"], ignore_failure=True)
    ip(wanted.host)
    _remember(wanted.host_settings)
    apply_settings(wanted.host_settings)
    nft(wanted.host_rules)


def take_down_on_host(link: Link, pod_bridge: str, rules: Sequence[str]) -> None:
    """Remove the configuration, with the Pods' bridge and the tables (`ip name`) of CNI plugins and kube-proxy."""
    for interface in (SERVICE_BRIDGE, pod_bridge):
        ip([f"link delete {interface}"], ignore_failure=True)
    ip([f"route delete unreachable {link.block} metric {LAST_RESORT_METRIC}"], ignore_failure=True)
    for table in rules:
        nft(f"add table {table}\ndelete table {table}\n")
    nft(no_table(link.namespace))


def take_down(link: Link) -> None:
    """Remove everything; missing parts are no error. Processes inside must have ended."""
    forget(link.namespace, link.host_interface)
    ip([f"route delete unreachable {link.block} metric {LAST_RESORT_METRIC}"], ignore_failure=True)


def forget(namespace: str, interface: str) -> None:
    """Remove what has a cluster's name when its ranges are unknown; they are read from its interface."""
    blocks = routes.blocks_over(interface, BLOCK_PREFIX)
    last_resorts = [f"route delete unreachable {block} metric {LAST_RESORT_METRIC}" for block in blocks]
    ip([f"link delete {interface}", *last_resorts], ignore_failure=True)
    namespaces.remove(namespaces.network_path(namespace))
    namespaces.release_network_directory()
    nft(no_table(namespace))


def restore_host_settings() -> None:
    """Restore the sysctls that the first cluster with egress changed, when the last one goes."""
    if REMEMBERED.exists():
        apply_settings(json.loads(REMEMBERED.read_text()))
        REMEMBERED.unlink()


def _remember(settings: Mapping[str, str]) -> None:
    known = json.loads(REMEMBERED.read_text()) if REMEMBERED.exists() else {}
    for path in settings:
        if path not in known and (file := Path(f"/proc/sys/{path}")).exists():
            known[path] = file.read_text().strip()
    REMEMBERED.parent.mkdir(parents=True, exist_ok=True)
    REMEMBERED.write_text(json.dumps(known))


def is_complete(link: Link) -> bool:
    """Whether everything of the plan stands: interfaces up, addresses, routes, and the masquerade table."""
    on_host = not namespaces.is_pinned(namespaces.network_path(link.namespace))
    wanted = plan_on_host(link) if on_host else plan(link)
    if link.egress and not has_table(table_name(link.namespace)):
        return False
    if not lacking(wanted.host, "").isdisjoint(wanted.host):
        return False
    return on_host or lacking(wanted.node, link.namespace).isdisjoint(wanted.node)


def lacking(lines: Sequence[str], namespace: str) -> set[str]:
    """Lines of a plan whose link, address or route is missing."""
    links = {entry["ifname"]: entry for entry in ip_json("address", "show", namespace=namespace)}
    routed = {
        (entry.get("type", "unicast"), entry.get("dst", "")) for entry in ip_json("route", "show", "table", "all", namespace=namespace)
    }
    return {line for line in lines if not _stands(line.split(), links, routed)}


def _stands(words: Sequence[str], links: Mapping[str, Any], routed: set[tuple[str, str]]) -> bool:
    if words[0] == "link":
        return "UP" in links.get(words[2], {}).get("flags", ())
    if words[0] == "addr":
        entry = links.get(words[words.index("dev") + 1], {})
        return words[2].partition("/")[0] in {address.get("local") for address in entry.get("addr_info", ())}
    kind = "unreachable" if words[2] == "unreachable" else "unicast"
    return (kind, words[3] if kind == "unreachable" else words[2]) in routed


def masters(namespace: str) -> dict[str, str]:
    """Every interface of the namespace, with the bridge that it hangs on."""
    return {entry["ifname"]: entry.get("master", "") for entry in ip_json("link", "show", namespace=namespace)}


def ip_json(*words: str, namespace: str = "") -> list[dict[str, Any]]:
    """Output of `ip -json` in a namespace; empty when there is none."""

    def ask() -> list[dict[str, Any]]:
        family = ["-4"] if words[0] == "route" else []
        command = ["ip", *family, "-json", "-details", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=linux.environment())
        entries: list[dict[str, Any]] = json.loads(done.stdout or "[]") if done.returncode == 0 else []
        return [entry for entry in entries if entry]

    return namespaces.inside(namespaces.network_path(namespace), ask) if namespace else ask()


def has_table(name: str) -> bool:
    """Whether nftables has an IPv4 table `name` with a masquerading rule."""
    command = ["nft", "list", "table", "ip", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=linux.environment())
    return done.returncode == 0 and "masquerade" in done.stdout


def interfaces() -> set[str]:
    """Names of the interfaces that the calling thread sees."""
    with open("/proc/thread-self/net/dev", encoding="utf-8") as file:
        return {line.partition(":")[0].strip() for line in file.readlines()[2:]}


def ip(lines: Sequence[str], namespace: str = "", *, ignore_failure: bool = False) -> None:
    """Run lines through one `ip -batch`, in the namespace if one is named (`ip -n` would not do it in a chroot).

    Where failure is ignored, the lines after one that failed are run all the same.
    """

    def run() -> None:
        _run(["ip", *(["-force"] if ignore_failure else []), "-batch", "-"], "\n".join(lines) + "\n", ignore_failure=ignore_failure)

    namespaces.inside(namespaces.network_path(namespace), run) if namespace else run()


def nft(rules: str) -> None:
    """Load nftables rules in one transaction (`nft -f -`). Raises NetworkFailure when nft is missing or refuses them."""
    _run(["nft", "-f", "-"], rules)


def apply_settings(settings: Mapping[str, str]) -> None:
    """Write below /proc/sys; what is in the kernel's build and namespace only."""
    for path, value in settings.items():
        try:
            with open(f"/proc/sys/{path}", "w", encoding="utf-8") as file:
                file.write(value)
        except FileNotFoundError:
            continue


def _run(command: list[str], text: str, *, ignore_failure: bool = False) -> None:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=linux.environment())
    except FileNotFoundError as failure:
        raise NetworkFailure(f"{command[0]} is not installed") from failure
    if done.returncode and not ignore_failure:
        raise NetworkFailure(f"{' '.join(command)}: {done.stderr.strip()} (input: {text.strip()!r})")
