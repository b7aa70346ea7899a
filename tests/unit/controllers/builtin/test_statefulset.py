"""StatefulSets: which Pods come and go next, what of which revision; and whose their claims are."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilothouse.api.types.apps_v1 import ControllerRevision, StatefulSet
from pilothouse.api.types.core_v1 import Event, PersistentVolumeClaim, Pod
from pilothouse.controllers.builtin.statefulset import REVISION, REVISION_HASH, StatefulSetController
from pilothouse.controllers.framework.actions import Adopt, Create, Delete, Patch, Update, UpdateStatus
from pilothouse.controllers.histories import history
from pilothouse.machinery import codec
from pilothouse.testing.controllers import RegistryBench, planned, world_of

TEMPLATE = {"metadata": {"labels": {"app": "s"}}, "spec": {"containers": [{"name": "c", "image": "s:1"}]}}
CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
DELETES = {"whenDeleted": "Delete", "whenScaled": "Delete"}
SET_REF, OTHER_REF = ("StatefulSet", "s", "s-uid"), ("Other", "o", "o-uid")


def stateful(replicas: int = 2, *, status: dict[str, Any] | None = None, partition: int = 0, **spec: Any) -> StatefulSet:
    update = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    base: dict[str, Any] = {"replicas": replicas, "serviceName": "s", "selector": {"matchLabels": {"app": "s"}}, "template": TEMPLATE}
    meta = {"name": "s", "namespace": "n", "uid": "s-uid", "generation": 1, "annotations": {"kubernetes.io/change-cause": "why"}}
    return codec.from_dict({"metadata": meta, "spec": base | {"updateStrategy": update} | spec, "status": status or {}}, StatefulSet)


def references(*owners: tuple[str, str, str]) -> list[dict[str, Any]]:
    versions = {"Pod": "v1", "StatefulSet": "apps/v1", "Other": "x/v1"}
    return [
        {"apiVersion": versions[kind], "kind": kind, "name": name, "uid": uid, "controller": True, "blockOwnerDeletion": True}
        for kind, name, uid in owners
    ]


def revision(one: StatefulSet, number: int = 1) -> ControllerRevision:
    made = history(one, world_of(), REVISION_HASH).current
    made.revision = number
    made.metadata.ownerReferences = codec.from_dict({"metadata": {"ownerReferences": references(SET_REF)}}, Pod).metadata.ownerReferences
    return made


NOW, OLD = revision(stateful(), 2), revision(stateful(template=TEMPLATE | {"spec": {"containers": [{"name": "c", "image": "s:0"}]}}))


def pod(number: int, *, ready: bool = True, old: bool = False, phase: str = "Running", **meta: Any) -> Pod:
    labels = {"app": "s", REVISION: (OLD if old else NOW).metadata.name, "statefulset.kubernetes.io/pod-name": f"s-{number}"}
    full = {"name": f"s-{number}", "namespace": "n", "uid": f"p{number}", "labels": labels, "ownerReferences": references(SET_REF)} | meta
    conditions = [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": "2024-12-31T00:00:00Z"}]
    return codec.from_dict({"metadata": full, "status": {"phase": phase, "conditions": conditions}}, Pod)


def pvc(number: int, *owners: tuple[str, str, str]) -> PersistentVolumeClaim:
    meta = {"name": f"data-s-{number}", "namespace": "n", "uid": f"c{number}", "ownerReferences": references(*owners)}
    return codec.from_dict({"metadata": meta}, PersistentVolumeClaim)


def done(actions: list[Any]) -> list[str]:
    """What is created (Pods with their image), deleted and owned, in words."""
    found = []
    for one in actions:
        match one:
            case Create(Pod() as made):
                found.append(f"+{made.metadata.name} {made.spec.containers[0].image}")
            case Create(PersistentVolumeClaim() as made):
                found.append(f"+{made.metadata.name} of {','.join(ref.name for ref in made.metadata.ownerReferences)}")
            case Delete(Pod() as gone):
                found.append(f"-{gone.metadata.name}")
            case Update(PersistentVolumeClaim() as claim):
                found.append(f"{claim.metadata.name} of {','.join(ref.name for ref in claim.metadata.ownerReferences)}")
    return found


OLD_STATUS = {"currentRevision": OLD.metadata.name, "currentReplicas": 2}
GOING = {"deletionTimestamp": "2025-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("one", "world", "expected"),
    [
        pytest.param(stateful(), [], ["+s-0 s:1"], id="the first"),
        pytest.param(stateful(podManagementPolicy="Parallel"), [], ["+s-0 s:1", "+s-1 s:1"], id="all at once"),
        pytest.param(stateful(ordinals={"start": 5}), [], ["+s-5 s:1"], id="from another number on"),
        pytest.param(stateful(), [pod(0, ready=False)], [], id="the next waits"),
        pytest.param(stateful(), [pod(0, phase="Failed")], ["-s-0"], id="one that failed is replaced"),
        pytest.param(stateful(1), [pod(0), pod(1), pod(2)], ["-s-2"], id="from the end"),
        pytest.param(stateful(1), [pod(0, ready=False), pod(1)], [], id="not while one that stays is not ready"),
        pytest.param(stateful(0), [pod(0, ready=False), pod(1, ready=False)], [], id="nor while two that go are not ready"),
        pytest.param(stateful(0), [pod(0), pod(1, ready=False)], ["-s-1"], id="the only one that is not ready goes"),
        pytest.param(stateful(0), [pod(0, ready=False), pod(1)], ["-s-1"], id="one that is ready goes before one that is not"),
        pytest.param(stateful(0, podManagementPolicy="Parallel"), [pod(0, ready=False), pod(1, ready=False)], ["-s-1", "-s-0"],
                     id="Parallel waits for nothing"),
        pytest.param(stateful(status=OLD_STATUS), [pod(0, old=True), pod(1, old=True)], ["-s-1"], id="updated from the end"),
        pytest.param(
            stateful(status=OLD_STATUS), [pod(0, old=True), pod(1, old=True, ready=False)], [],
            id="a Pod that is not ready holds up its own update, as upstream",
        ),
        pytest.param(stateful(status=OLD_STATUS), [pod(1, old=True)], ["+s-0 s:1"], id="what is missing is made of the new template"),
        pytest.param(stateful(status=OLD_STATUS, partition=1), [pod(1)], ["+s-0 s:0"], id="below the partition of the old one"),
        pytest.param(
            stateful(status=OLD_STATUS, updateStrategy={"type": "RollingUpdate"}), [pod(1)], ["+s-0 s:0"],
            id="and without rollingUpdate as many as have it still",
        ),
        pytest.param(stateful(status=OLD_STATUS, updateStrategy={"type": "OnDelete"}), [pod(0, old=True), pod(1, old=True)], [],
                     id="OnDelete"),
    ],
)  # fmt: skip
def test_pods(one: StatefulSet, world: list[Pod], expected: list[str]) -> None:
    assert done(planned(StatefulSetController(), one, OLD, NOW, *world)) == expected


def with_claims(replicas: int = 1, **policy: str) -> StatefulSet:
    return stateful(replicas, volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy=policy or None)


@pytest.mark.parametrize(
    ("one", "world", "expected"),
    [
        pytest.param(with_claims(), [], ["+data-s-0 of ", "+s-0 s:1"], id="made with the Pod, owned by nobody"),
        pytest.param(with_claims(**DELETES), [], ["+data-s-0 of s", "+s-0 s:1"], id="owned by the set that it is to go with"),
        pytest.param(with_claims(), [pvc(0)], ["+s-0 s:1"], id="found again"),
        pytest.param(with_claims(), [pod(0, phase="Pending", ready=False)], ["+data-s-0 of "], id="made also for a Pod that waits for it"),
        pytest.param(with_claims(), [pvc(0, ("Pod", "s-0", "earlier"))], [], id="one that goes with an earlier Pod is waited for"),
        pytest.param(with_claims(**DELETES), [pod(0), pvc(0)], ["data-s-0 of s"], id="the policy has changed to Delete"),
        pytest.param(with_claims(), [pod(0), pvc(0, SET_REF)], ["data-s-0 of "], id="or to Retain"),
        pytest.param(with_claims(0, **DELETES), [pod(0), pvc(0, SET_REF)], ["data-s-0 of s-0", "-s-0"], id="scaled away with the Pod"),
        pytest.param(with_claims(0, whenScaled="Retain"), [pod(0), pvc(0)], ["-s-0"], id="scaled away: stays"),
        pytest.param(with_claims(**DELETES), [pod(0), pvc(0, ("Pod", "s-0", "p0"))], ["data-s-0 of s"], id="scaled up again in time"),
        pytest.param(with_claims(**DELETES), [pod(0), pvc(0, OTHER_REF)], [], id="another's is left alone"),
    ],
)  # fmt: skip
def test_claims(one: StatefulSet, world: list[Any], expected: list[str]) -> None:
    assert done(planned(StatefulSetController(), one, NOW, *world)) == expected


def test_revisions_bear_the_cause_and_pods_the_name_of_theirs() -> None:
    actions = planned(StatefulSetController(), stateful())
    [made] = [one.object for one in actions if isinstance(one, Create) and isinstance(one.object, ControllerRevision)]
    digest = made.metadata.labels[REVISION_HASH]
    assert (made.metadata.name, made.metadata.labels, made.revision) == (f"s-{digest}", {"app": "s", REVISION_HASH: digest}, 1)
    assert made.metadata.annotations == {"kubernetes.io/change-cause": "why"}
    [first] = [one.object for one in actions if isinstance(one, Create) and isinstance(one.object, Pod)]
    assert first.metadata.labels[REVISION] == made.metadata.name


def test_a_hash_that_is_taken_is_counted_and_another_used() -> None:
    taken = codec.clone(NOW)
    taken.data, taken.metadata.ownerReferences = msgspec.Raw(b'{"spec":{}}'), []
    taken.metadata.labels = {}
    actions = planned(StatefulSetController(), stateful(), taken)
    [made] = [one.object for one in actions if isinstance(one, Create) and isinstance(one.object, ControllerRevision)]
    assert made.metadata.name != taken.metadata.name
    [status] = [one.object.status for one in actions if isinstance(one, UpdateStatus)]
    assert (status.collisionCount, status.updateRevision) == (1, made.metadata.name)
    again = planned(StatefulSetController(), stateful(status={"collisionCount": 1}), taken)
    assert made.metadata.name in {one.object.metadata.name for one in again if isinstance(one, Create)}


def test_orphans_are_adopted_and_get_their_labels_back() -> None:
    left, lost = codec.clone(NOW), pod(0, labels={"app": "s", REVISION: NOW.metadata.name}, ownerReferences=[])
    left.metadata.ownerReferences = []
    actions = planned(StatefulSetController(), stateful(1), left, lost)
    assert [type(one.object).__name__ for one in actions if isinstance(one, Adopt)] == ["Pod", "ControllerRevision"]
    assert [one.patch for one in actions if isinstance(one, Patch)] == [
        {"metadata": {"labels": {"statefulset.kubernetes.io/pod-name": "s-0", "apps.kubernetes.io/pod-index": "0"}}}
    ]
    assert not any(isinstance(one, Create) for one in actions)


async def test_a_claim_that_is_to_go_with_its_pod_is_gone_before_the_next_one_comes() -> None:
    protection = "persistentvolumeclaim-protection-controller"  # takes off what the API server puts on every claim
    async with RegistryBench("statefulset", "generic-garbage-collector", "namespace", "serviceaccount", protection) as bench:
        one = with_claims(**DELETES)
        one.metadata.namespace, one.metadata.uid = "default", ""
        await bench.client.create(one)
        await bench.advance(5)
        [before] = await bench.all(PersistentVolumeClaim)
        await bench.edit(StatefulSet, "s", lambda each: setattr(each.spec, "replicas", 0), "default")
        await bench.advance(5)
        assert await bench.all(Pod) == [], "a Pod without a node goes at once"
        await bench.edit(StatefulSet, "s", lambda each: setattr(each.spec, "replicas", 1), "default")
        await bench.advance(60)
        [after] = await bench.all(PersistentVolumeClaim)
        assert before.metadata.uid != after.metadata.uid
        assert [ref.kind for ref in after.metadata.ownerReferences] == ["StatefulSet"]
        assert len(await bench.all(Pod)) == 1
        assert {each.reason for each in await bench.all(Event)} == {"SuccessfulCreate", "SuccessfulDelete"}
