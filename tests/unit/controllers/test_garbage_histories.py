"""Whatever happens: the garbage collector deletes nothing that has a living owner, and in the end everything that has lost all of them."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.client.call import Call, Options
from pilothouse.controllers.garbage.graph import FOREGROUND, ORPHAN
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference
from tests.unit.controllers.faults import PROFILE, Faults, Steps, histories

NUMBERS = st.integers(0, 35)
MAKE = ["make", "make owned", "make owned", "make half owned", "make lost"]
WISHES = st.tuples(st.sampled_from([*MAKE, "own", "disown", "background", "foreground", "orphan"]), NUMBERS)
STEPS = histories(WISHES)
NAMES = 6
LOST = OwnerReference(apiVersion="v1", kind="ConfigMap", name="never", uid="never")


class History(Faults):
    """Config maps that own one another. A number stands for two of them: the one that is meant, and its owner."""

    held = (ConfigMap,)

    def __init__(self) -> None:
        super().__init__("generic-garbage-collector")
        self._made = 0

    def _cut(self, call: Call) -> Exception | None:
        """What the collector deletes is looked at before it is done."""
        if call.verb == "delete":
            one = next((each for each in self.maps if each.metadata.name == call.name), None)
            if one is not None and call.options.precondition_uid == one.metadata.uid:
                assert one.metadata.ownerReferences, f"{call.name} has no owners"
                assert not [each for each in self._owners(one) if FOREGROUND not in each.metadata.finalizers], f"{call.name} has an owner"
        return super()._cut(call)

    def check(self) -> None:
        """All that must hold at every moment is looked at when something is deleted."""

    @property
    def maps(self) -> list[ConfigMap]:
        return sorted(self.transport.all(ConfigMap), key=lambda one: one.metadata.name)

    def _owners(self, one: ConfigMap) -> list[ConfigMap]:
        uids = {ref.uid for ref in one.metadata.ownerReferences}
        return [each for each in self.maps if each.metadata.uid in uids]

    def _pick(self, number: int) -> ConfigMap | None:
        return self.maps[number % len(self.maps)] if self.maps else None

    async def _make(self, _: int, *owners: OwnerReference) -> None:
        self._made += 1
        self.transport.add(ConfigMap(metadata=ObjectMeta(name=f"m{self._made:02}", namespace="n", ownerReferences=[*owners])))

    async def _make_owned(self, number: int, *others: OwnerReference) -> None:
        owner = self._pick(number)
        await self._make(number, *([_reference(owner)] if owner is not None else []), *others)

    async def _make_half_owned(self, number: int) -> None:
        """By one that is there, and one that is not."""
        await self._make_owned(number, LOST)

    async def _make_lost(self, number: int) -> None:
        await self._make(number, LOST)

    async def _own(self, number: int) -> None:
        one, owner = self._pick(number), self._pick(number // NAMES)
        if one is not None and owner is not None and one is not owner and owner not in self._owners(one):
            reference = _reference(owner)
            self.transport.change(one, lambda each: each.metadata.ownerReferences.append(reference))

    async def _disown(self, number: int) -> None:
        if (one := self._pick(number)) is not None:
            self.transport.change(one, lambda each: setattr(each.metadata, "ownerReferences", each.metadata.ownerReferences[1:]))

    async def _background(self, number: int) -> None:
        await self._delete(number, "Background")

    async def _foreground(self, number: int) -> None:
        await self._delete(number, "Foreground")

    async def _orphan(self, number: int) -> None:
        await self._delete(number, "Orphan")

    async def _delete(self, number: int, policy: str) -> None:
        if (one := self._pick(number)) is not None:
            self.transport.delete(one, Options(propagation_policy=policy))


def _reference(owner: Any) -> OwnerReference:
    meta = owner.metadata
    return OwnerReference(apiVersion="v1", kind="ConfigMap", name=meta.name, uid=meta.uid, blockOwnerDeletion=True)


@PROFILE
@given(steps=STEPS)
def test_garbage_goes_and_nothing_else(steps: Steps) -> None:
    async def told() -> None:
        async with History() as history:
            await history.live(steps)
            await history.faults_end()
            await history.advance(3000)
            for one in history.maps:
                assert not {FOREGROUND, ORPHAN} & {*one.metadata.finalizers}, f"{one.metadata.name} is never let go"
                assert not one.metadata.ownerReferences or history._owners(one), f"{one.metadata.name} is garbage"

    asyncio.run(told())
