"""Allocation of cluster IPs and node ports for Services.

- What is taken is what the cached Services say, and the IPAddresses that somebody has made; no table of its own can disagree with them.
- Between the choice and the commit the choice is reserved here, so that two writes at once do not take the same.
- Where API servers share a store, a choice is committed only if none has been committed since that it was not made by (see
  `SharedStorage`); else it is made again.
- A dry run chooses as well, and holds nothing.

How a Service's fields decide what it needs: services.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Protocol

from pilothouse.api.core.servicefields import needs_health_check, needs_node_ports
from pilothouse.api.types.core_v1 import Service
from pilothouse.api.types.networking_v1 import IPAddress
from pilothouse.apiserver.admission.plugin import World
from pilothouse.apiserver.registry import services
from pilothouse.apiserver.registry.settings import Network, Settings
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError, internal_error, invalid
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource

RANDOM_TRIES = 64
DRY_RUN_NODE_PORT = 32769
"""A dry run shows this node port and those after it, as upstream does: none is chosen, and the range is not looked at."""


class Reservation:
    """Values that one write has reserved. Release it after the commit, when the cache shows them, or when the write fails.

    `allocated` is what the choice was made by, where API servers share a store; None where nothing was chosen.
    """

    allocated: int | None = None
    restore: Callable[[], None] | None = None

    def __init__(self, reserved: set[Any] | None = None) -> None:
        self._reserved = reserved if reserved is not None else set()
        self._mine: set[Any] = set()

    def reserve(self, thing: Any) -> None:
        """Reserve an address or a node port for this write."""
        self._reserved.add(thing)
        self._mine.add(thing)

    @property
    def has_reserved(self) -> bool:
        """Whether this write has reserved anything."""
        return bool(self._mine)

    def undo(self) -> None:
        """Restore the object from before the allocation; only where API servers share a store."""
        if self.restore is not None:
            self.restore()

    def release(self) -> None:
        """Release what this write reserved. Idempotent."""
        self._reserved -= self._mine
        self._mine = set()


ALLOCATED = frozenset({Service})
"""The kinds that take something."""
NOTHING = Reservation()
"""What all others hold."""


class AllocatingWorld(World, Protocol):
    """The parts of the registry's store that allocation needs."""

    async def allocated(self) -> int | None:
        """The revision of the last allocation in a store that API servers share; None in a store of our own (`RegistryStore.allocated`)."""
        ...


class Allocation:
    """Allocator of cluster IPs and node ports. One per API server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._networks = {f"IPv{network.version}": network for network in settings.service_networks}
        self._reserved: set[Any] = set()

    async def reserve(self, world: AllocatingWorld, resource: Resource[Any], old: Any, new: Any, *, dry_run: bool) -> Reservation:
        """Allocate what `new` needs and `old` does not have, and set it in `new`. Raises StatusError when that is not possible."""
        if resource.type not in ALLOCATED:
            return NOTHING
        allocated = await world.allocated()
        others = [service for service in await world.list(Service) if old is None or service.metadata.uid != old.metadata.uid]
        addresses = {address.metadata.name for address in await world.list(IPAddress)} if old is None else set()
        choice = _Choice(self, world.entropy, old, new, others, dry_run=dry_run, addresses=addresses)
        if allocated is not None:
            choice.undoable()
        services.reconcile_families(old, new, tuple(self._networks))
        try:
            choice.addresses()
            choice.node_ports()
            choice.health_check()
        finally:
            if dry_run:
                choice.reservation.release()
        if choice.reservation.has_reserved:
            choice.reservation.allocated = allocated
        return choice.reservation


class _Choice:
    """The choosing for one write of one Service. Nothing is awaited in here: no other write comes in between."""

    def __init__(
        self,
        allocation: Allocation,
        entropy: Entropy,
        old: Service | None,
        new: Service,
        others: list[Service],
        *,
        dry_run: bool,
        addresses: set[str],
    ) -> None:
        self._settings = allocation._settings
        self._networks = allocation._networks
        self._entropy = entropy
        self._old = old
        self._new = new
        self._dry_run = dry_run
        self._dry_run_ports: list[int] = []
        self._in_use: set[Any] = allocation._reserved | addresses
        for service in others:
            self._in_use.update(services.allocated_values(service))
        self.reservation = Reservation(allocation._reserved)

    def undoable(self) -> None:
        """Remember the Service as it is before the choice."""
        new, before = self._new, clone(self._new.spec)

        def undo() -> None:
            new.spec = before

        self.reservation.restore = undo

    def addresses(self) -> None:
        spec = self._new.spec
        if not services.needs_address(self._new):
            return
        before = len(self._old.spec.clusterIPs) if self._old is not None and services.needs_address(self._old) else 0
        spec.clusterIPs = [*spec.clusterIPs, *[""] * (len(spec.ipFamilies) - len(spec.clusterIPs))]
        for index, family in enumerate(spec.ipFamilies):
            wanted = spec.clusterIPs[index]
            if wanted and index < before:
                continue  # whether it may be another than before, validation says
            if wanted:
                self._check_address(wanted, self._networks[family])
            else:
                wanted = self._free_address(self._networks[family])
            spec.clusterIPs[index] = wanted
            self._take(wanted)
        spec.clusterIP = spec.clusterIPs[0]

    def _take(self, thing: Any) -> None:
        self._in_use.add(thing)
        self.reservation.reserve(thing)

    def _check_address(self, wanted: str, network: Network) -> None:
        try:
            inside = ipaddress.ip_address(wanted) in network
        except ValueError:
            return  # validation says so
        problem = ""
        if not inside:
            problem = f"the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {network}"
        elif wanted in self._in_use:
            problem = "provided IP is already allocated"
        if problem:
            raise self._refused(("spec", "clusterIPs"), self._new.spec.clusterIPs, f"failed to allocate IP {wanted}: {problem}")

    def _free_address(self, network: Network) -> str:
        """A free address, first from the upper part of the range: the lower part is for those who choose for themselves."""
        size = min(network.num_addresses, 1 << 16) - (2 if network.version == 4 else 1)
        reserved = min(max(16, size // 16), 256)
        if size < 2 * 16:
            reserved = 0
        offset = self._free(1 + reserved, 1 + size, lambda number: str(network[number]) not in self._in_use)
        if offset is None:
            offset = self._free(1, 1 + reserved, lambda number: str(network[number]) not in self._in_use)
        if offset is None:
            raise internal_error("failed to allocate a serviceIP: range is full")
        return str(network[offset])

    def _free(self, low: int, high: int, is_free: Callable[[int], bool]) -> int | None:
        """A free number of [low, high): a random one, and when luck fails the first after the last try."""
        if high <= low:
            return None
        number = low
        for _ in range(RANDOM_TRIES):
            number = self._entropy.random.randrange(low, high)
            if is_free(number):
                return number
        return next((port for port in (*range(number, high), *range(low, number)) if is_free(port)), None)

    def node_ports(self) -> None:
        if not needs_node_ports(self._new):
            return
        kept = services.node_ports(self._old) if self._old is not None else set()
        chosen: dict[int, set[str]] = {}
        for index, port in enumerate(self._new.spec.ports):
            if port.nodePort and (port.nodePort, port.protocol) not in kept and port.protocol not in chosen.get(port.nodePort, ()):
                self._check_node_port(index, port.nodePort, port.protocol)
                self._dry_run_ports.append(port.nodePort)
            if port.nodePort:
                chosen.setdefault(port.nodePort, set()).add(port.protocol)
                self._take((port.nodePort, port.protocol))
        for port in self._new.spec.ports:
            if not port.nodePort:
                port.nodePort = self._shared_or_free(port.port, port.protocol)
                self._take((port.nodePort, port.protocol))

    def _shared_or_free(self, number: int, protocol: str) -> int:
        """The same node port for TCP and UDP of one port, as DNS servers want it; else a free one."""
        for other in self._new.spec.ports:
            if other.nodePort and other.port == number and other.protocol != protocol and (other.nodePort, protocol) not in self._in_use:
                return other.nodePort
        return self._free_node_port()

    def _check_node_port(self, index: int, wanted: int, protocol: str) -> None:
        low, high = self._settings.node_ports
        path = ("spec", "ports", index, "nodePort")
        if not self._dry_run and not low <= wanted <= high:
            raise self._refused(path, wanted, f"provided port is not in the valid range. The range of valid ports is {low}-{high}")
        if (wanted, protocol) in self._in_use:
            raise self._refused(path, wanted, "provided port is already allocated")

    def _free_node_port(self) -> int:
        if self._dry_run:
            self._dry_run_ports.append(max(self._dry_run_ports, default=DRY_RUN_NODE_PORT - 1) + 1)
            return self._dry_run_ports[-1]
        low, high = self._settings.node_ports
        used = {item[0] for item in self._in_use if isinstance(item, tuple)}
        size = high - low + 1
        reserved = min(max(16, size // 32), 128) if size >= 32 else 0
        port = self._free(low + reserved, high + 1, lambda number: number not in used)
        if port is None:
            port = self._free(low, low + reserved, lambda number: number not in used)
        if port is None:
            raise internal_error("failed to allocate a nodePort: range is full")
        return port

    def health_check(self) -> None:
        spec = self._new.spec
        if needs_health_check(self._new) and not spec.healthCheckNodePort:
            spec.healthCheckNodePort = self._free_node_port()
            self._take((spec.healthCheckNodePort, "TCP"))

    def _refused(self, path: tuple[str | int, ...], value: object, detail: str) -> StatusError:
        problems = Problems().at(*path)
        problems.invalid(value, detail)
        return invalid("Service", "", self._new.metadata.name, problems.found)
