"""Names and the generic rules of ObjectMeta."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pilothouse.machinery import metadata, names
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference
from pilothouse.machinery.problems import Problems


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (names.dns_label, ["a", "a-1", "1"], ["", "A", "-a", "a-", "a.b", "a" * 64, "ä"]),
        (names.dns_subdomain, ["a.b", "1.2"], ["", ".a", "a..b", "a_b", "a" * 254]),
        (names.dns1035_label, ["a1"], ["1a", "a.b"]),
        (names.qualified_name, ["A_b.c", "example.com/x"], ["", "/a", "a/", "a/b/c", "Ex.com/a", "a b", "x" * 64]),
        (names.label_value, ["", "A_b.c"], ["-", "a b", "x" * 64]),
        (names.port_name, ["http", "a-1"], ["", "80", "a--b", "-a", "A", "abcdefghijklmnop"]),
        (names.config_map_key, [".bashrc", "a_B"], ["", ".", "..", "..a", "a/b"]),
        (names.path_segment, ["system:x"], [".", "..", "a/b", "a%b"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_rules(rule: Callable[[str], list[str]], good: list[str], bad: list[str]) -> None:
    assert {value: rule(value) for value in good} == {value: [] for value in good}
    assert [value for value in bad if not rule(value)] == []


def test_the_words_of_a_mismatch() -> None:
    assert names.dns_label("A") == [
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
        "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    ]


def found(meta: ObjectMeta, *, namespaced: bool = True) -> list[str]:
    problems = Problems("metadata")
    metadata.validate_metadata(meta, namespaced, None, problems)
    return [str(one) for one in problems.found]


def test_good_metadata() -> None:
    owner = OwnerReference(apiVersion="apps/v1", kind="ReplicaSet", name="r", uid="u", controller=True)
    assert (
        found(ObjectMeta(name="a", namespace="b", generateName="a-", labels={"x": "y"}, ownerReferences=[owner], finalizers=["e.com/f"]))
        == []
    )


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (ObjectMeta(namespace="b"), "metadata.name: Required value: name or generateName is required"),
        (ObjectMeta(name="a"), "metadata.namespace: Required value"),
        (ObjectMeta(name="a", namespace="b", generation=-1), "metadata.generation: Invalid value: -1: must be greater than or equal to 0"),
        (
            ObjectMeta(name="a", namespace="b", annotations={"k": "v" * 300_000}),
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            ObjectMeta(name="a", namespace="b", finalizers=["mine"]),
            'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
        ),
        (
            ObjectMeta(name="a", namespace="b", finalizers=["orphan", "foregroundDeletion"]),
            'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: '
            "finalizer orphan and foregroundDeletion cannot be both set",
        ),
    ],
)
def test_bad_metadata(meta: ObjectMeta, message: str) -> None:
    assert found(meta) == [message]


def test_cluster_scoped_kinds_take_no_namespace() -> None:
    assert found(ObjectMeta(name="a", namespace="b"), namespaced=False) == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_what_an_update_may_not_change() -> None:
    old = ObjectMeta(name="a", namespace="b", uid="u", resourceVersion="1", generation=2, deletionTimestamp="2025-01-01T00:00:00Z")
    new = ObjectMeta(name="a", namespace="b", uid="v", generation=1, deletionTimestamp=old.deletionTimestamp, finalizers=["e.com/f"])
    problems = Problems("metadata")
    metadata.validate_metadata_update(new, old, problems)
    assert [str(one) for one in problems.found] == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"e.com/f"}',
        'metadata.resourceVersion: Invalid value: "": must be specified for an update',
        "metadata.generation: Invalid value: 1: must not be decremented",
        'metadata.uid: Invalid value: "v": field is immutable',
    ]
