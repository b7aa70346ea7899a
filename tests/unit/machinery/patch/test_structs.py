"""Structs are compared as their dicts are: for objects that differ anywhere, also in what appears, disappears or changes its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.api.types.apps_v1 import Deployment, StatefulSet
from pilothouse.api.types.coordination_v1 import Lease
from pilothouse.api.types.core_v1 import ConfigMap, Node, Pod, Service
from pilothouse.api.types.networking_v1 import NetworkPolicy
from pilothouse.machinery import codec
from pilothouse.machinery.patch import comparing, structs
from pilothouse.machinery.patch.comparing import Comparison
from pilothouse.machinery.patch.schema import of_shape
from pilothouse.machinery.patch.typed import NoElement
from pilothouse.machinery.shape import shape_of
from tests.unit.machinery.patch.test_properties import OBJECTS, WORDS, by_name, optional

Map = dict[str, Any]

PORT = st.fixed_dictionaries({"port": st.integers(1, 3)}, optional={"protocol": WORDS, "name": WORDS, "targetPort": st.just(1) | WORDS})
MAPS = st.dictionaries(WORDS, WORDS)
COUNTS = st.integers(0, 1)
CONDITION = optional(status=WORDS, message=WORDS | st.just(""), lastTransitionTime=st.none() | WORDS)
STATUS = optional(
    phase=WORDS,
    conditions=by_name(CONDITION, "type"),
    podIPs=by_name(st.just({}), "ip"),
    containerStatuses=by_name(optional(ready=st.booleans(), started=st.booleans(), state=optional(running=optional(startedAt=WORDS)))),
    startTime=st.just("2026-12-01T00:00:00Z"),
)
PODS = st.tuples(OBJECTS, STATUS).map(lambda found: {**found[0], "status": found[1]})
KINDS: dict[type[Any], st.SearchStrategy[Map]] = {
    Pod: PODS,
    ConfigMap: optional(data=MAPS, immutable=st.booleans(), metadata=optional(labels=MAPS)),
    Lease: optional(spec=optional(holderIdentity=WORDS | st.just(""), leaseTransitions=COUNTS, renewTime=WORDS)),
    Service: optional(spec=optional(ports=st.lists(PORT, max_size=3), selector=MAPS, clusterIPs=st.lists(WORDS))),
    Node: optional(
        spec=optional(taints=st.lists(optional(key=WORDS, effect=WORDS), max_size=2), unschedulable=st.booleans()),
        status=optional(
            addresses=by_name(optional(address=WORDS), "type"),
            capacity=st.dictionaries(WORDS, WORDS | COUNTS),
            images=st.lists(optional(names=st.lists(WORDS))),
        ),
    ),
    StatefulSet: optional(status=optional(availableReplicas=COUNTS, readyReplicas=COUNTS, replicas=COUNTS)),
    Deployment: optional(
        spec=optional(
            paused=st.booleans(),
            selector=optional(matchLabels=MAPS),
            strategy=optional(rollingUpdate=optional(maxSurge=WORDS | st.integers(0, 2))),
            template=OBJECTS,
        )
    ),
    NetworkPolicy: optional(
        spec=optional(ingress=st.lists(optional(**{"from": st.lists(optional(ipBlock=optional(**{"except": st.lists(WORDS)})))})))
    ),
}


def of_dicts(old: Any, new: Any) -> Comparison:
    return comparing.compare(codec.to_dict(old), codec.to_dict(new), of_shape(shape_of(type(old))))


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.__name__)
def test_structs_are_compared_as_their_dicts_are(kind: type[Any]) -> None:
    @given(KINDS[kind], KINDS[kind])
    def check(first: Map, second: Map) -> None:
        old, new = codec.from_dict(first, kind), codec.from_dict(second, kind)
        try:
            expected = of_dicts(old, new)
        except NoElement:
            return
        assert structs.compare(old, new) == expected

    check()


def test_what_the_metadata_says_of_the_write_itself_is_no_change() -> None:
    old, new = codec.from_dict({"metadata": {"resourceVersion": "1"}}, Pod), codec.from_dict({"metadata": {"resourceVersion": "2"}}, Pod)
    assert structs.compare(old, new).is_empty
