"""The graph of the Node authorizer: after any history it says what a naive reading of the objects says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api.core import podreferences
from pilothouse.api.types.core_v1 import (
    CSIPersistentVolumeSource,
    EphemeralContainer,
    LocalObjectReference,
    ObjectReference,
    PersistentVolume,
    PersistentVolumeClaimVolumeSource,
    PersistentVolumeSpec,
    Pod,
    PodSpec,
    SecretReference,
    SecretVolumeSource,
    Volume,
)
from pilothouse.api.types.storage_v1 import VolumeAttachment, VolumeAttachmentSpec
from pilothouse.apiserver.auth.node import graph
from pilothouse.apiserver.auth.node.graph import NodeGraph
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.auth.rbac.cluster import Feed

NODES, NAMES = ("n1", "n2"), ("a", "b")


def pod(name: str, node: str, secret: str, claim: str, mirror: bool = False, added: bool = False, uid: str = "1") -> Pod:
    volumes = [Volume(name="s", secret=SecretVolumeSource(secretName=secret))]
    volumes += [Volume(name="c", persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName=claim))]
    spec = PodSpec(nodeName=node, volumes=volumes, serviceAccountName=secret, imagePullSecrets=[LocalObjectReference(name="pull")])
    if added:
        spec.ephemeralContainers = [EphemeralContainer(name="e")]
    notes = {"kubernetes.io/config.mirror": "x"} if mirror else {}
    return Pod(metadata=ObjectMeta(name=name, namespace="ns", uid=uid, annotations=notes), spec=spec)


def volume(name: str, claim: str | None, secret: str) -> PersistentVolume:
    csi = CSIPersistentVolumeSource(driver="d", nodeStageSecretRef=SecretReference(name=secret, namespace="ns"))
    claim_ref = ObjectReference(namespace="ns", name=claim) if claim else None
    return PersistentVolume(metadata=ObjectMeta(name=name), spec=PersistentVolumeSpec(csi=csi, claimRef=claim_ref))


def attachment(name: str, node: str) -> VolumeAttachment:
    return VolumeAttachment(metadata=ObjectMeta(name=name), spec=VolumeAttachmentSpec(nodeName=node))


name = st.sampled_from(NAMES)
made = st.one_of(
    st.builds(pod, name, st.sampled_from(["", *NODES]), name, name, st.booleans(), st.booleans(), st.sampled_from("12")),
    st.builds(volume, name, st.sampled_from([None, *NAMES]), name),
    st.builds(attachment, name, st.sampled_from(NODES)),
)
VERTICES = [
    *((kind, "ns", each) for kind in (graph.POD, graph.SECRET, graph.CLAIM, graph.ACCOUNT) for each in (*NAMES, "pull")),
    *((kind, "", each) for kind in (graph.VOLUME, graph.ATTACHMENT) for each in NAMES),
]


def naive(objects: dict[type[Any], Feed], node: str) -> Iterator[tuple[str, str, str]]:
    """Everything that leads to the node, found by going through all objects."""
    pods = [each for each in objects[Pod].objects() if each.spec.nodeName == node]
    yield from ((graph.POD, "ns", each.metadata.name) for each in pods)
    yield from ((graph.ATTACHMENT, "", each.metadata.name) for each in objects[VolumeAttachment].objects() if each.spec.nodeName == node)
    real = [each for each in pods if not each.metadata.annotations]
    yield from ((graph.SECRET, "ns", secret) for each in real for secret in podreferences.secret_names(each))
    yield from ((graph.ACCOUNT, "ns", each.spec.serviceAccountName) for each in real)
    claims = {claim for each in real for claim in podreferences.claim_names(each)}
    yield from ((graph.CLAIM, "ns", claim) for claim in claims)
    for each in objects[PersistentVolume].objects():
        if each.spec.claimRef is not None and each.spec.claimRef.name in claims:
            yield (graph.VOLUME, "", each.metadata.name)
            yield from ((graph.SECRET, *place) for place in podreferences.volume_secrets(each))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), made, st.booleans()), max_size=25), st.sampled_from([2, 100]))
def test_it_says_what_the_objects_say(history: list[tuple[bool, Any, bool]], remembers: int) -> None:
    feeds = {kind: Feed(remembers) for kind in (Pod, PersistentVolume, VolumeAttachment)}
    tested = NodeGraph({**feeds})
    for is_put, obj, is_asked in history:
        feed = feeds[type(obj)]
        before = feed.there.get((obj.metadata.namespace, obj.metadata.name))
        if not is_put:
            feed.drop(obj)
        elif not (isinstance(obj, Pod) and before is not None and (before.metadata.uid == obj.metadata.uid or before.spec.nodeName)):
            feed.put(obj)  # a Pod that is there is bound once, and names what it named
        if is_asked:
            check(tested, feeds)
    check(tested, feeds)


def check(tested: NodeGraph, feeds: dict[type[Any], Feed]) -> None:
    for node in NODES:
        assert {vertex for vertex in VERTICES if tested.leads(vertex, node)} == set(naive(feeds, node)) & set(VERTICES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(pod("a", "", "a", "a"), pod("a", "n1", "a", "a"), id="a pod is bound"),
        pytest.param(pod("a", "n1", "b", "b"), pod("a", "n1", "a", "a", uid="2"), id="a pod is made anew"),
        pytest.param(pod("a", "n1", "b", "b"), pod("a", "n1", "a", "a", added=True), id="a container is added to a pod"),
    ],
)
def test_a_change_acts_at_once(before: Pod, after: Pod) -> None:
    feed = Feed()
    tested = NodeGraph({Pod: feed})
    feed.put(before)
    assert not tested.leads((graph.SECRET, "ns", "a"), "n1")
    feed.put(after)
    assert tested.leads((graph.SECRET, "ns", "a"), "n1")
    feed.drop(after)
    assert not tested.leads((graph.SECRET, "ns", "a"), "n1")
