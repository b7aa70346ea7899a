"""Whatever becomes of its watches: an informer shows in the end what the server has, and what it told adds up to that."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery import errors
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.fake_transport import FakeTransport

NAMES = st.integers(0, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "change", "remove"]), NAMES),
        st.tuples(st.sampled_from(["add", "change", "remove"]), NAMES),
        st.tuples(st.sampled_from(["hold", "release", "break", "reset", "sick", "forget", "bookmark"]), st.integers(0, 3)),
        st.tuples(st.just("put back"), st.integers(0, 5)),
        st.tuples(st.just("advance"), st.integers(0, 130)),
    ),
    max_size=40,
)


class History:
    """An informer of config maps, and somebody who believes everything that it tells."""

    def __init__(self, page_size: int) -> None:
        self.clock = VirtualClock()
        self.server = FakeTransport(self.clock)
        self.informer = Informer(Client(self.server), ConfigMap, clock=self.clock, entropy=Entropy(1), page_size=page_size)
        self.believed: dict[str, str] = {}
        self.informer.subscribe(self._believe)

    def _believe(self, type: str, old: Any, new: Any) -> None:
        name = (new or old).metadata.name
        assert (name in self.believed) == (type != "ADDED"), f"{type} of {name}"
        if new is None:
            assert type == "DELETED"
            del self.believed[name]
        else:
            self.believed[name] = new.metadata.resourceVersion

    @property
    def shown(self) -> dict[str, str]:
        return {one.metadata.name: one.metadata.resourceVersion for one in self.informer.list()}

    @property
    def true(self) -> dict[str, str]:
        return {one.metadata.name: one.metadata.resourceVersion for one in self.server.all(ConfigMap)}

    async def do(self, name: str, number: int) -> None:
        found = next((one for one in self.server.all(ConfigMap) if one.metadata.name == f"c{number}"), None)
        match name:
            case "add" if found is None:
                self.server.add(ConfigMap(metadata=ObjectMeta(name=f"c{number}", namespace="n")))
            case "change" if found is not None:
                self.server.change(found, lambda one: one.data.update(at=str(self.server.revision)))
            case "remove" if found is not None:
                self.server.remove(found)
            case "hold":
                self.server.hold()
            case "release":
                self.server.release(number or None)
            case "break":
                self.server.break_watches()
            case "reset":
                self.server.break_watches(ConnectionError("reset"))
                self.server.fail(*[ConnectionError("refused")] * number)
            case "sick":
                self.server.break_watches(errors.failure(500, "InternalError", "sick"))
                self.server.fail(*[errors.failure(503, "ServiceUnavailable", "starts")] * number)
            case "forget":
                self.server.forget_history()
                self.server.break_watches()
            case "bookmark":
                self.server.bookmark(ConfigMap)
            case "put back":
                self.server.release()
                self.server.restore_to(max(1, self.server.revision - number))
                self.server.break_watches(ConnectionError("reset"))
        await self.clock.advance(number if name == "advance" else 0)
        assert self.believed == self.shown


@settings(max_examples=100, deadline=None, derandomize=True)
@given(steps=STEPS, page_size=st.sampled_from([0, 2]))
def test_in_the_end_it_shows_what_is_there(steps: list[tuple[str, int]], page_size: int) -> None:
    async def told() -> None:
        history = History(page_size)
        running = asyncio.ensure_future(history.informer.run())
        for name, number in steps:
            await history.do(name, number)
        history.server.release()
        await history.clock.advance(300)
        assert history.believed == history.shown == history.true
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(told())
