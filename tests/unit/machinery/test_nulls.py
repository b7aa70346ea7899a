"""Nulls in bodies: the fast way and the slow way of decoding must not differ."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from pilothouse.api.core.pod import POD
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError

BODY: dict[str, Any] = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {
        "name": "one",
        "creationTimestamp": None,
        "annotations": {"creationTimestamp": "null", "a": ',"creationTimestamp":null'},
        "labels": {"creationTimestamp": "x"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u", "controller": True}],
    },
    "spec": {
        "containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "null"}], "resources": {"requests": {"cpu": "1"}}}],
        "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {"creationTimestamp": None}, "spec": {}}}}],
        "terminationGracePeriodSeconds": 5,
    },
    "status": {},
}


def outcome(data: bytes, strictness: str) -> Any:
    try:
        decoded = codec.decode(data, POD, strictness=strictness)
    except StatusError as error:
        return error.status.message
    return codec.encode(decoded.object), decoded.warnings


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [place for key, child in items for place in ((value, key), *places(child))]


def both(data: bytes, strictness: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    fast = outcome(data, strictness)
    with monkeypatch.context() as patched:
        patched.setattr(codec._Decoding, "_fast", lambda self: None)
        return fast, outcome(data, strictness)


@pytest.mark.parametrize("strictness", ["Ignore", "Warn", "Strict"])
@pytest.mark.parametrize("seed", range(100))
def test_fast_and_slow_agree_wherever_null_stands(seed: int, strictness: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    body = json.loads(json.dumps(BODY))
    for _ in range(chance.randrange(1, 4)):
        container, key = chance.choice(places(body))
        if chance.random() < 0.5 and isinstance(container, dict):
            container["creationTimestamp"] = None
        else:
            container[key] = None
    data = json.dumps(body, separators=(",", ":")).encode()
    fast, slow = both(data, strictness, monkeypatch)
    assert fast == slow


@pytest.mark.parametrize(
    "data",
    [
        b'{"metadata":{"name":"a","creationTimestamp":null}}',
        b'{"metadata":{"creationTimestamp":null}}',
        b'{"metadata":{"creationTimestamp":null,"name":"a"}}',
        b'{"metadata":{"creationTimestamp":null,"creationTimestamp":"2020-01-01T00:00:00Z"}}',
        b'{"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","creationTimestamp":null}}',
        b'{"metadata":{"name":"foo,"creationTimestamp":null"}}',
        b'{"metadata":{"name":"a","x\\"creationTimestamp":null}}',
        b'{"metadata":{"annotations":{"a":"b","creationTimestamp":null}}}',
        b'{"creationTimestamp":null,"metadata":{"name":"a"}}',
    ],
)
def test_fast_and_slow_agree_about_odd_texts(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for strictness in ("Ignore", "Warn", "Strict"):
        fast, slow = both(data, strictness, monkeypatch)
        assert fast == slow


def test_a_whole_number_with_a_point_is_judged_at_once() -> None:
    body = b'{"spec":{"containers":[{"name":"a","ports":[{"containerPort":2147483647.0}]}]}}'
    assert outcome(body, "Strict") == outcome(body, "Ignore")


def test_the_null_that_go_writes_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec._Decoding, "_slow", lambda self, content_type: pytest.fail("slow"))
    decoded = codec.decode(b'{"metadata":{"name":"a","creationTimestamp":null},"status":{}}', POD, strictness="Strict")
    assert decoded.object.metadata.name == "a"
