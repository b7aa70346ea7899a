"""Which revisions of a set are forgotten."""

from __future__ import annotations

import pytest

from pilothouse.api.types.apps_v1 import ControllerRevision, StatefulSet, StatefulSetSpec
from pilothouse.api.types.core_v1 import Container, PodSpec, PodTemplateSpec
from pilothouse.controllers.deployments.revisions import fnv1, safe_encoded
from pilothouse.controllers.framework.actions import Delete
from pilothouse.controllers.histories import HASH_LABEL, History, clean_up, history
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta
from pilothouse.testing.controllers import world_of


def revision(number: int) -> ControllerRevision:
    return ControllerRevision(metadata=ObjectMeta(name=f"r{number}", labels={HASH_LABEL: f"h{number}"}), revision=number)


@pytest.mark.parametrize(
    ("limit", "used", "counting_used", "gone"),
    [
        (2, set(), False, ["r1"]),
        (3, set(), False, []),
        (None, set(), False, []),
        (0, {"h2"}, False, ["r1", "r3"]),
        (0, {"r2"}, False, ["r1", "r3"]),
        (1, {"h1"}, False, ["r2"]),
        (1, {"h1"}, True, ["r2", "r3"]),
        (2, {"h1", "h2"}, True, ["r3"]),
    ],
)
def test_the_oldest_that_nobody_has_go(limit: int | None, used: set[str], counting_used: bool, gone: list[str]) -> None:
    history = History(revision(4), [revision(1), revision(2), revision(3)])
    actions = clean_up(history, used, limit, counting_used=counting_used)
    assert [one.object.metadata.name for one in actions if isinstance(one, Delete)] == gone


@pytest.mark.parametrize(("data", "value"), [(b"", 0x811C9DC5), (b"a", 0x050C5D7E), (b"foobar", 0x31F0B262)])
def test_hashes_are_fnv_1(data: bytes, value: int) -> None:
    assert fnv1(data) == value


def test_a_revision_has_the_bytes_that_upstream_writes() -> None:
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels={"b": "1", "a": "2"}), spec=PodSpec(containers=[Container(name="c", image="i", command=["a<b"])])
    )
    selector = LabelSelector(matchLabels={"a": "2"})
    owner = StatefulSet(metadata=ObjectMeta(name="web", uid="u"), spec=StatefulSetSpec(selector=selector, template=template))
    made = history(owner, world_of(owner), "controller.kubernetes.io/hash").current
    assert bytes(made.data).startswith(
        rb'{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"2","b":"1"}},"spec":{"containers":[{"command":["a\u003cb"],'
    )
    hashed = safe_encoded(fnv1(bytes(made.data) + b"0"))
    assert (made.metadata.name, made.metadata.labels["controller.kubernetes.io/hash"]) == (f"web-{hashed}", hashed)
