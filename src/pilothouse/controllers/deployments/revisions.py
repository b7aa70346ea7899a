"""Revisions of a Deployment: finding the new ReplicaSet, revision numbers, the pod-template hash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pilothouse.api.types.apps_v1 import Deployment, ReplicaSet, ReplicaSetSpec
from pilothouse.api.types.core_v1 import PodTemplateSpec
from pilothouse.controllers.deployments import sizes
from pilothouse.kit.entropy import SUFFIX_ALPHABET
from pilothouse.machinery import codec, strconv
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta
from pilothouse.machinery.patch.apply import LAST_APPLIED

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
HISTORY_LIMIT = 2000
"""Characters of the revision-history annotation."""
NOT_COPIED = {
    LAST_APPLIED,
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISION_HISTORY,
    sizes.DESIRED_REPLICAS,
    sizes.MAX_REPLICAS,
}
"""Annotations of a Deployment that its ReplicaSets do not get."""

FNV_OFFSET, FNV_PRIME = 2166136261, 16777619


def template_hash(template: PodTemplateSpec, collisions: int) -> str:
    """A short name for a template: 32-bit FNV-1a of its JSON, in letters that make no words.

    Upstream hashes a Go dump of the struct, so the values differ; only stability and alphabet matter to anyone.
    """
    data = codec.encode(template) + (collisions.to_bytes(4, "little") if collisions else b"")
    value = FNV_OFFSET
    for byte in data:
        value = (value ^ byte) * FNV_PRIME & 0xFFFFFFFF
    return safe_encoded(value)


def fnv1(data: bytes) -> int:
    """32-bit FNV-1 of bytes."""
    value = FNV_OFFSET
    for byte in data:
        value = (value * FNV_PRIME & 0xFFFFFFFF) ^ byte
    return value


def safe_encoded(value: int) -> str:
    """A number in letters that make no words, as upstream writes hashes into names."""
    return "".join(SUFFIX_ALPHABET[ord(digit) % len(SUFFIX_ALPHABET)] for digit in str(value))


def same_template(first: PodTemplateSpec | None, second: PodTemplateSpec | None) -> bool:
    """Equal but for the hash label."""
    if first is None or second is None:
        return first is second
    if first.spec != second.spec:
        return False
    left, right = codec.clone(first.metadata), codec.clone(second.metadata)
    left.labels.pop(HASH_LABEL, None)
    right.labels.pop(HASH_LABEL, None)
    return left == right


def by_creation(replicaset: ReplicaSet) -> tuple[str, str]:
    """Sort key: older ReplicaSets first, then by name."""
    return replicaset.metadata.creationTimestamp, replicaset.metadata.name


def find_new(deployment: Deployment, replicasets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """The oldest ReplicaSet with the Deployment's current template."""
    for replicaset in sorted(replicasets, key=by_creation):
        if same_template(replicaset.spec.template, deployment.spec.template):
            return replicaset
    return None


def revision(obj: ReplicaSet | Deployment) -> int:
    """The number in the annotation; 0 without one."""
    return strconv.integer(obj.metadata.annotations.get(REVISION, "")) or 0


def next_revision(old: Sequence[ReplicaSet]) -> int:
    """Highest revision of the old ReplicaSets plus one."""
    return max((revision(replicaset) for replicaset in old), default=0) + 1


def new_replicaset(deployment: Deployment, old: Sequence[ReplicaSet]) -> ReplicaSet:
    """The ReplicaSet of the present template, to be created with as many Pods as the strategy allows at once."""
    template = codec.clone(deployment.spec.template)
    digest = template_hash(deployment.spec.template, deployment.status.collisionCount or 0)
    template.metadata.labels[HASH_LABEL] = digest
    selector = codec.clone(deployment.spec.selector or LabelSelector())
    selector.matchLabels[HASH_LABEL] = digest
    meta = ObjectMeta(
        name=f"{deployment.metadata.name}-{digest}", namespace=deployment.metadata.namespace, labels=dict(template.metadata.labels)
    )
    spec = ReplicaSetSpec(replicas=0, minReadySeconds=deployment.spec.minReadySeconds, selector=selector, template=template)
    made = ReplicaSet(metadata=meta, spec=spec)
    spec.replicas = sizes.new_size(deployment, [*old, made], made)
    meta.annotations = annotations_of_new(deployment, made, next_revision(old))
    sizes.annotate(made, deployment)
    return made


def annotations_of_new(deployment: Deployment, new: ReplicaSet, number: int) -> dict[str, str]:
    """The annotations that the new ReplicaSet is to have: the Deployment's, its revision, and those it had before."""
    result = dict(new.metadata.annotations)
    result.update((name, value) for name, value in deployment.metadata.annotations.items() if name not in NOT_COPIED)
    known, before = REVISION in result, revision(new)
    if before < number:
        if known:  # a rollback to it: what it was called before is kept
            result[REVISION_HISTORY] = _longer_history(result.get(REVISION_HISTORY, ""), result[REVISION])
        result[REVISION] = str(number)
    return result


def _longer_history(history: str, number: str) -> str:
    numbers = [number for number in history.split(",") if number]
    while len(numbers) > 1 and len(",".join([*numbers, number])) > HISTORY_LIMIT:
        numbers.pop(0)
    return ",".join([*numbers, number])
