"""Merging of typed values (structured-merge-diff's Merge).

- Nothing is removed: what both have is as the second says, all else as it was. A null leaf of the second is kept as null.
- Items of lists that merge come in the order of the second, among them those that only the first has, where they stood.
"""

from __future__ import annotations

from typing import Any

from pilothouse.machinery.patch.schema import Type
from pilothouse.machinery.patch.typed import ABSENT, form, is_empty, item_element


def merge(live: Any, config: Any, kind: Type) -> Any:
    """`config` merged into `live`; neither is changed, the result may share parts with both. ABSENT where neither leaves anything."""
    chosen = form(kind, live if config is ABSENT or config is None else config)
    is_atomic = chosen == "scalar" or (kind.is_atomic if chosen == "map" else not kind.is_associative)
    if is_atomic or (is_empty(live) and is_empty(config)):
        return live if config is ABSENT else config
    if chosen == "map":
        return _merge_members(live if isinstance(live, dict) else {}, config if isinstance(config, dict) else {}, kind)
    return _merge_items(live if isinstance(live, list) else [], config if isinstance(config, list) else [], kind)


def _merge_members(live: dict[str, Any], config: dict[str, Any], kind: Type) -> Any:
    if not config:
        return live or ABSENT
    merged: dict[str, Any] = {}
    for name, value in live.items():
        below = kind.fields.get(name) or kind.values
        given = config.get(name, ABSENT)
        result = value if below is None or given is ABSENT else merge(value, given, below)
        if result is not ABSENT:
            merged[name] = result
    for name, value in config.items():
        below = kind.fields.get(name) or kind.values
        if name not in live and below is not None:
            result = merge(ABSENT, value, below)
            if result is not ABSENT:
                merged[name] = result
    return merged or ABSENT


def _merge_items(live: list[Any], config: list[Any], kind: Type) -> Any:
    if not config:
        return live or ABSENT
    return _Items(live, config, kind).merged() or ABSENT


class _Items:
    """Two lists that merge by the elements of their items."""

    def __init__(self, live: list[Any], config: list[Any], kind: Type) -> None:
        assert kind.items is not None
        self.live, self.item_type = live, kind.items
        self.live_elements = [item_element(kind, item) for item in live]
        self.config_elements = [item_element(kind, item) for item in config]
        self.configured = dict(zip(self.config_elements, config, strict=True))
        self.standing: dict[str, Any] = {}
        for element, item in zip(self.live_elements, live, strict=True):
            self.standing[element] = None if element in self.standing else item  # what is there twice is not merged
        self.result: list[Any] = []

    def merged(self) -> list[Any]:
        """The items in upstream's order: both lists are walked at once, and the next shared item holds back those that moved."""
        shared = iter([element for element in self.config_elements if element in self.standing])
        next_shared = next(shared, None)
        done: set[str] = set()
        left = right = 0
        lefts, rights = self.live_elements, self.config_elements
        while left < len(lefts) or right < len(rights):
            if left < len(lefts) and right < len(rights):
                element = lefts[left]
                if element == rights[right]:
                    done.add(element)
                    self._take_both(element)
                    left, right, next_shared = left + 1, right + 1, next(shared, None)
                    continue
                if element in self.configured and next_shared is not None and next_shared != element:
                    left += 1
                    continue
            if left < len(lefts):
                element = lefts[left]
                if element not in self.configured:
                    self._take(merge(self.live[left], ABSENT, self.item_type))
                    left += 1
                    continue
                if element in done:
                    left += 1
            if right < len(rights):
                element = rights[right]
                done.add(element)
                self._take_both(element)
                right += 1
                if next_shared == element:
                    next_shared = next(shared, None)
        return self.result

    def _take_both(self, element: str) -> None:
        self._take(merge(self.standing.get(element, ABSENT), self.configured[element], self.item_type))

    def _take(self, item: Any) -> None:
        if item is not ABSENT:
            self.result.append(item)
