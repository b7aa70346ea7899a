"""Address ranges that the machine uses, which clusters must avoid."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pilothouse.machinery import strconv
from pilothouse.node import linux

Network = ipaddress.IPv4Network

RESOLVERS = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")


def used() -> list[Network]:
    """Ranges of every route in every table but default ones, and the name servers' addresses."""
    entries = _ask("route", "show", "table", "all")
    return [*ranges_of(entries), *resolvers(Path(path).read_text() for path in RESOLVERS if Path(path).exists())]


def ranges_of(entries: Sequence[dict[str, Any]]) -> list[Network]:
    """Ranges in the output of `ip -json route`."""
    ranges = []
    for entry in entries:
        destination = entry.get("dst", "default")
        if destination not in ("default", "0.0.0.0/0"):
            ranges.append(ipaddress.IPv4Network(destination, strict=False))
    return ranges


def blocks_over(interface: str, prefix: int) -> list[Network]:
    """The blocks of that size in which the ranges lie that the machine reaches over an interface; none when it is not there."""
    entries = [route for route in _ask("route", "show", "table", "main") if route.get("dev") == interface]
    return sorted({network.supernet(new_prefix=prefix) for network in ranges_of(entries) if network.prefixlen >= prefix})


def resolvers(texts: Iterable[str]) -> list[Network]:
    """IPv4 addresses of the name servers in these texts of resolv.conf, as /32 networks."""
    networks = []
    for text in texts:
        for line in text.splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                with contextlib.suppress(ValueError):  # an IPv6 address, or nonsense
                    networks.append(ipaddress.IPv4Network(words[1]))
    return networks


def name_servers() -> list[str]:
    """Name servers of the machine; a stub on loopback is replaced by its upstream servers."""
    addresses = [
        str(resolver.network_address) for resolver in resolvers(Path(path).read_text() for path in RESOLVERS if Path(path).exists())
    ]
    return [address for address in dict.fromkeys(addresses) if not address.startswith("127.")]


def first_free(candidates: Iterable[Network], taken: Sequence[Network]) -> Network | None:
    """The first candidate that overlaps nothing taken."""
    for candidate in candidates:
        if not any(candidate.overlaps(network) for network in taken):
            return candidate
    return None


def mtu(default: int = 1500) -> int:
    """The MTU of the interface that the default route takes, at most `default`."""
    entries = _ask("route", "show", "default")
    try:
        return min(default, strconv.parse_int(Path(f"/sys/class/net/{entries[0]['dev']}/mtu").read_text().strip()))
    except (IndexError, KeyError, OSError, ValueError):
        return default


def machine_address() -> str:
    """The machine's first global address, that of the default route's interface before others; "" when it has none."""
    preferred = {str(entry.get("dev")) for entry in _ask("route", "show", "default")}
    addresses = [
        (entry["ifname"] not in preferred, address["local"])
        for entry in _ask("address", "show", "scope", "global", "up")
        for address in entry.get("addr_info", [])
        if "local" in address
    ]
    return min(addresses, key=lambda address: address[0])[1] if addresses else ""


def _ask(*words: str) -> list[dict[str, Any]]:
    """What `ip -json` shows; nothing where it has nothing to show."""
    command = ["ip", "-4", "-json", *words]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, env=linux.environment())
    entries: list[dict[str, Any]] = json.loads(shown.stdout or "[]") if shown.returncode == 0 else []
    return entries
