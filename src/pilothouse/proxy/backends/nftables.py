"""The nftables backend: one private table, changed in transactions that cost by what changed.

- Shared chains, once made, stay: there are at most as many as numbers of endpoints.
- What is in the kernel is remembered as values; a change is the difference of two values, sent as one transaction.
- Two Services may claim one address and port (externalIPs): the first has it, the second inherits it.
- A transaction that fails changes nothing; the next one then replaces the whole table.
- Whoever has session affinity keeps it when the table is replaced, as when the proxy starts again (upstream leaves its sets alone).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Iterable, Mapping

from pilothouse.proxy.backends.disturbance import disturbances
from pilothouse.proxy.backends.interface import BackendError
from pilothouse.proxy.backends.libnftables import LibNftables
from pilothouse.proxy.backends.nftables_rules import Element, Frame, Rules, frame_commands, pick_commands, rules_of
from pilothouse.proxy.planner import PortKey, PortPlan

TABLE = "pilothouse-proxy"
ELEMENTS_A_COMMAND = 500
REMEMBERING_SET = re.compile(r"set (seen-\S+) \{[^{}]*elements = \{([^{}]*)\}")


class NftablesBackend:
    """Satisfies interface.Backend."""

    def __init__(self, frame: Frame, library: LibNftables | None = None) -> None:
        self._frame = frame
        self._table = f"ip {frame.table}"
        self._library = library or LibNftables()
        self._rules: dict[PortKey, Rules] = {}
        self._order: dict[PortKey, int] = {}
        self._orders = itertools.count()
        self._claims: dict[Element, dict[PortKey, str]] = {}
        self._picks: set[int] = set()
        self._sound = False

    def replace(self, plans: Mapping[PortKey, PortPlan]) -> None:
        """Build the whole table anew for these plans, in one transaction."""
        remembered = self._clients() if any(plan.affinity_seconds for plan in plans.values()) else {}
        self._rules, self._claims, self._picks, self._order = {}, {}, set(), {}
        commands = [*frame_commands(self._frame), *self._commands(plans)]
        known = {name for rules in self._rules.values() for name in rules.sets}
        kept = [f"add element {self._table} {name} {{{clients}}}" for name, clients in remembered.items() if name in known]
        try:
            self._run([*commands, *kept])
        except BackendError:
            if not kept:
                raise
            self._run(commands)  # rather without than never

    def apply(self, changes: Mapping[PortKey, PortPlan | None]) -> None:
        """Change the rules of some ports; None removes a port. BackendError when the table must be replaced."""
        if not self._sound:
            raise BackendError("the last change failed: the table must be replaced")
        commands = self._commands(changes)
        if commands:
            self._run(commands)

    def disturbances(self) -> AsyncIterator[None]:
        """An item each time another process has changed our table."""
        return disturbances(self._frame.table)

    def close(self) -> None:
        """Delete the table and free the library."""
        try:
            self._library.run(f"add table {self._table}\ndelete table {self._table}")
        finally:
            self._library.close()

    def _clients(self) -> dict[str, str]:
        """Whom the sets in the kernel remember, as nft writes it: whoever has affinity keeps it when the table is made anew."""
        try:
            return clients_of(self._library.run(f"list table {self._table}"))
        except BackendError:  # there is no such table
            return {}

    def _run(self, commands: list[str]) -> None:
        self._sound = False
        self._library.run("\n".join(commands))
        self._sound = True

    def _commands(self, changes: Mapping[PortKey, PortPlan | None]) -> list[str]:
        """The transaction: first what makes room, then what is new, at last what nothing leads to any more."""
        touched: dict[Element, str | None] = {}
        first: list[str] = []
        last: list[str] = []
        for key, plan in changes.items():
            self._order.setdefault(key, next(self._orders))
            old = self._rules.pop(key, Rules())
            new = rules_of(plan, self._frame) if plan is not None else Rules()
            if plan is not None:
                self._rules[key] = new
            self._claim(key, old, new, touched)
            for number in sorted(new.picks - self._picks):
                first += pick_commands(self._table, number)
                self._picks.add(number)
            first += self._added(old, new)
            last += self._removed(old, new)
        elements = [*self._element_commands(touched)]
        for key in [key for key, plan in changes.items() if plan is None]:
            self._order.pop(key, None)
        return [*first, *elements, *last]

    def _claim(self, key: PortKey, old: Rules, new: Rules, touched: dict[Element, str | None]) -> None:
        """Note who claims which element; `touched` keeps what each held before this transaction (None: it was not there)."""
        for element in {**old.elements, **new.elements}:
            claims = self._claims.setdefault(element, {})
            touched.setdefault(element, self._winner(claims))
            if element in new.elements:
                claims[key] = new.elements[element]
            else:
                claims.pop(key, None)

    def _winner(self, claims: Mapping[PortKey, str]) -> str | None:
        """What the longest known of those who claim an element puts there."""
        return claims[min(claims, key=self._order.__getitem__)] if claims else None

    def _element_commands(self, touched: Mapping[Element, str | None]) -> Iterable[str]:
        """What goes, then what comes; many elements a command."""
        gone: dict[str, list[str]] = {}
        come: dict[str, list[str]] = {}
        for element, before in touched.items():
            after = self._winner(self._claims[element])
            if after is None:
                del self._claims[element]
            if before == after:
                continue
            if before is not None:
                gone.setdefault(element.holder, []).append(element.key)
            if after is not None:
                come.setdefault(element.holder, []).append(f"{element.key} : {after}" if after else element.key)
        for verb, groups in (("delete", gone), ("add", come)):
            for holder, elements in groups.items():
                for at in range(0, len(elements), ELEMENTS_A_COMMAND):
                    yield f"{verb} element {self._table} {holder} {{ {', '.join(elements[at : at + ELEMENTS_A_COMMAND])} }}"

    def _added(self, old: Rules, new: Rules) -> Iterable[str]:
        """Sets, then chains (all before any rule: rules refer to both), then rules."""
        for name, spec in new.sets.items():
            if name in old.sets and old.sets[name] != spec:
                # Its timeout changed; a set cannot change, so its rules go, it is made anew, and clients choose again.
                yield from (f"flush chain {self._table} {chain}" for chain in old.chains)
                yield f"delete set {self._table} {name}"
            if old.sets.get(name) != spec:
                yield f"add set {self._table} {name} {{ {spec} }}"
        changed = {name: rules for name, rules in new.chains.items() if old.chains.get(name) != rules or old.sets != new.sets}
        for name in changed:
            yield f"add chain {self._table} {name}"
            if name in old.chains:
                yield f"flush chain {self._table} {name}"
        for name, rules in changed.items():
            yield from (f"add rule {self._table} {name} {rule}" for rule in rules)

    def _removed(self, old: Rules, new: Rules) -> Iterable[str]:
        chains = [name for name in old.chains if name not in new.chains]
        yield from (f"flush chain {self._table} {name}" for name in chains)
        yield from (f"delete chain {self._table} {name}" for name in chains)
        yield from (f"delete set {self._table} {name}" for name in old.sets if name not in new.sets)


def clients_of(listing: str) -> dict[str, str]:
    """Set -> its elements, each with the time that is left to it, of the sets that hold any."""
    return {name: " ".join(elements.split()) for name, elements in REMEMBERING_SET.findall(listing)}
