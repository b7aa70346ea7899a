"""Whatever a client sends, the registry answers with an object or a StatusError, and stores only what it can show again."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pilothouse.api import catalogue
from pilothouse.api.types.autoscaling_v1 import Scale
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.cache.entry import Entry
from pilothouse.client.call import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, Call, Options
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.shape import shape_of
from pilothouse.machinery.table import table
from tests.unit.apiserver.odd_input import OddInput
from tests.unit.apiserver.registry.house import House, open_house
from tests.unit.apiserver.small_objects import SMALL

CREATABLE = [one for one in catalogue.resources() if "create" in one.verbs]
KNOWN = [one for one in CREATABLE if (one.api_version, one.kind) in SMALL]
VIEWS = ("status", "scale", "resize", "ephemeralcontainers", "finalize", "approval")
STRICTNESS = ("Ignore", "Warn", "Strict")
POINTS = ("spec", "metadata", "labels", "0", "-", "containers", "template", "a~1b", "", "status", "ports", "-1", "1e3")
OPERATIONS = ("add", "replace", "remove", "test", "copy", "move", "other")
SERVER_ERRORS = (
    "resourceVersion should not be set",
    "unknown patch type",
    "declared merge key",
    "list of maps",
    "merge lists",
    "order in patch",
    "list element types are not identical",
    "no elements in any of the given slices",
    "unable to find api field in struct",
    "failed to create typed patch object",
    "failed to convert new object",
    "failed to decode managed fields",
    "strconv.ParseUint: parsing ",
)
"""What upstream answers with 500, too."""

WAIT_SECONDS = 0.05
NOW = datetime(2026, 1, 1, tzinfo=UTC)
randoms = st.integers(0, 1 << 32).map(Random)
"""A seed each: what is drawn is far too large to be made smaller step by step."""


@dataclass
class Visit:
    """One object of a kind on its way through a registry, spoilt more at each step."""

    house: House
    resource: Resource[Any]
    random: Random
    odd: OddInput
    name: str = ""

    @property
    def namespace(self) -> str:
        return "default" if self.resource.namespaced else ""

    async def answer(self, call: Call) -> Any:
        try:
            result = await self.house.registry.execute(call, ADMIN)
        except StatusError as error:
            if error.code >= 500 and not any(text in str(error) for text in SERVER_ERRORS):
                raise
            return None
        if isinstance(result, Entry) and type(result.object) is self.resource.type:
            shown(self.resource, result.object, result.encoded)
        return result

    async def create(self, body: Any) -> Any:
        made = decoded(body, self.resource, self.random.choice(STRICTNESS))
        if made is None:
            return None
        entry = await self.answer(Call("create", self.resource, self.namespace, body=made))
        self.name = getattr(getattr(getattr(entry, "object", None), "metadata", None), "name", "")
        return entry

    async def change(self, current: Any) -> None:
        subresource = self.random.choice(["", "", *(one for one in VIEWS if one in self.resource.subresources)])
        kind = Scale if subresource == "scale" else self.resource.type
        body = self.odd.value(shape_of(kind)) if subresource == "scale" else self.odd.spoilt(current, shape_of(kind))
        patch_type = self.random.choice((JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH, ""))
        if not patch_type:
            made = decoded(body, catalogue.resource_of(kind) if subresource != "scale" else None, "Ignore")
            if made is not None:
                await self.answer(Call("update", self.resource, self.namespace, self.name, subresource, body=made))
            return
        patch = json.dumps(self._operations() if patch_type == JSON_PATCH else body).encode()
        options = Options(field_manager="m", force=self.random.random() < 0.5)
        await self.answer(Call("patch", self.resource, self.namespace, self.name, subresource, patch, patch_type, options))

    def _operations(self) -> Any:
        return [
            {
                "op": self.random.choice(OPERATIONS),
                "path": "".join(f"/{self.random.choice(POINTS)}" for _ in range(self.random.randrange(4))),
                "value": self.odd.value(shape_of(self.resource.type)),
                "from": "/spec",
            }
            for _ in range(self.random.randrange(4))
        ]


def decoded(body: Any, resource: Resource[Any] | None, strictness: str) -> Any:
    data = json.dumps(body).encode()
    try:
        if resource is None:
            return codec.decode_as(data, Scale, strictness=strictness).object
        return codec.decode(data, resource, strictness=strictness).object
    except StatusError as error:
        if error.code != 400:
            raise
        return None


def shown(resource: Resource[Any], obj: Any, encoded: bytes) -> None:
    """What is stored can be read again, by us and by others, and has cells."""
    assert orjson.loads(encoded)["kind"] == resource.kind
    assert codec.decode(encoded, resource, strictness="Ignore").object.metadata.name == obj.metadata.name
    json.dumps(table(resource, [obj], NOW, include="None"), allow_nan=False)


@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(randoms)
def test_fuzz_any_body_of_any_kind_is_an_object_or_a_status(random: Random) -> None:
    async def run() -> None:
        async with open_house() as house:
            for number in range(20):
                resource, odd = random.choice(CREATABLE), OddInput(random, random.choice((0.0, 0.02)))
                body = odd.value(shape_of(resource.type))
                if isinstance(body, dict) and random.random() < 0.9:
                    body["metadata"] = {"name": f"x{number}"}
                await Visit(house, resource, random, odd).create(body)

    asyncio.run(run())


@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(randoms)
def test_fuzz_spoilt_objects_and_patches_are_objects_or_a_status(random: Random) -> None:
    async def run() -> None:
        async with open_house() as house:
            for number in range(6):
                resource, odd = random.choice(KNOWN), OddInput(random, random.choice((0.0, 0.02)))
                visit = Visit(house, resource, random, odd)
                body: Any = {**SMALL[resource.api_version, resource.kind], "metadata": {"name": f"x{number}"}}
                for _ in range(random.randrange(3)):
                    body = odd.spoilt(body, shape_of(resource.type))
                entry = await visit.create(body)
                for _ in range(4 if visit.name else 0):
                    await visit.change(random.choice((body, codec.to_dict(entry.object))))
                if visit.name:
                    await visit.answer(Call("delete", resource, visit.namespace, visit.name))

    asyncio.run(run())


SELECTORS = (
    "a=b",
    "a in (b,c)",
    "!a",
    "a,,",
    "metadata.name=a",
    "spec.nodeName=",
    "status.phase!=x",
    "a>5",
    "(",
    "=",
    "a=b=c",
    "x\\,y",
    "\x00",
)
VERSIONS = ("", "0", "1", "-1", "99999999999999999999", "7", "x", "1.5", "\u00b2", " 1")
TOKENS = ("", "x", "e30=", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0", "\u00e9")
MATCHES = ("", "Exact", "NotOlderThan", "Other")


@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(randoms)
def test_fuzz_any_options_of_a_list_or_a_watch(random: Random) -> None:
    async def run() -> None:
        async with open_house() as house:
            for _ in range(20):
                resource = random.choice(KNOWN)
                options = Options(
                    label_selector=random.choice(("", *SELECTORS)),
                    field_selector=random.choice(("", *SELECTORS)),
                    resource_version=random.choice(VERSIONS),
                    resource_version_match=random.choice(MATCHES),
                    continue_=random.choice(TOKENS),
                    limit=random.choice((0, 1, 3, -1, 1 << 62)),
                    allow_watch_bookmarks=random.random() < 0.5,
                    send_initial_events=random.choice((None, True, False)),
                    timeout_seconds=random.choice((None, 0, 1)),
                )
                verb = random.choice(("list", "watch", "deletecollection"))
                call = Call(verb, resource, "default" if resource.namespaced and random.random() < 0.5 else "", options=options)
                await asked(house, call)

    asyncio.run(run())


async def asked(house: House, call: Call) -> None:
    """Waiting for a revision that does not come yet is an answer, too; in virtual time it would take for ever."""
    try:
        if call.verb == "watch":
            watch = await asyncio.wait_for(house.registry.open_watch(call, ADMIN), WAIT_SECONDS)
            await watch.aclose()
        else:
            await asyncio.wait_for(house.registry.execute(call, ADMIN), WAIT_SECONDS)
    except StatusError as error:
        if error.code >= 500 and not (call.verb == "watch" and "strconv.ParseUint" in str(error)):  # upstream's answer to a watch's
            raise
    except TimeoutError:
        assert call.options.resource_version not in ("", "0", "1")
