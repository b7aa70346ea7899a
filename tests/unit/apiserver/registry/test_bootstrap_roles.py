"""The roles and bindings that an API server makes at its first start, and mends at every other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject
from pilothouse.apiserver.auth.rbac.bootstrap import AUTO_UPDATE, bootstrap_objects
from pilothouse.apiserver.auth.rbac.own import OWN_OBJECTS
from pilothouse.machinery import codec
from pilothouse.machinery.codec import clone
from tests.unit.apiserver.registry.house import House, open_house
from tests.unit.apiserver.registry.test_over_sqlite import durable

KINDS = (ClusterRole, ClusterRoleBinding, Role, RoleBinding)


def plain(obj: Any) -> dict[str, Any]:
    found = codec.to_dict(obj)
    meta = found["metadata"]
    found["metadata"] = {name: meta[name] for name in ("name", "namespace", "labels", "annotations") if name in meta}
    return found


async def roles(house: House) -> dict[tuple[str, str, str], Any]:
    found = [obj for kind in KINDS for obj in (await house.client.list(kind)).items]
    return {(obj.kind, obj.metadata.namespace, obj.metadata.name): obj for obj in found}


async def test_a_new_cluster_has_them_all() -> None:
    async with open_house() as house:
        there = await roles(house)
    assert [plain(obj) for obj in there.values()] == [plain(there_) for there_ in sorted((*bootstrap_objects(), *OWN_OBJECTS), key=place)]
    assert len({obj.metadata.uid for obj in there.values()}) == len(there) == 145
    assert all(obj.metadata.creationTimestamp and obj.metadata.resourceVersion for obj in there.values())


def place(obj: Any) -> tuple[int, str, str]:
    return KINDS.index(type(obj)), obj.metadata.namespace, obj.metadata.name


async def test_what_is_stored_is_what_would_be_encoded() -> None:
    async with open_house() as house:
        for kind in KINDS:
            for entry in (await house.page(kind)).entries:
                assert entry.encoded == codec.encode(entry.object)
                assert entry.value == codec.encode(codec.decoder_of(kind).decode(entry.value))


@pytest.mark.parametrize(
    ("kind", "name", "owned"),
    [
        (ClusterRole, "system:basic-user", [("kube-apiserver", "Update", "f:rules")]),
        (
            ClusterRole,
            "view",
            [("clusterrole-aggregation-controller", "Apply", "f:rules"), ("kube-apiserver", "Update", "f:aggregationRule")],
        ),
        (ClusterRoleBinding, "cluster-admin", [("kube-apiserver", "Update", "f:subjects")]),
    ],
)
async def test_field_managers_are_upstreams(kind: type[Any], name: str, owned: list[tuple[str, str, str]]) -> None:
    async with open_house() as house:
        entries = (await house.client.get(kind, name)).metadata.managedFields
    assert [(entry.manager, entry.operation) for entry in entries] == [(manager, operation) for manager, operation, _ in owned]
    for entry, (_, _, field) in zip(entries, owned, strict=True):
        assert f'"{field}"'.encode() in bytes(entry.fieldsV1)
        assert entry.time == entries[0].time != ""


async def test_a_restart_mends_what_is_missing_and_leaves_the_rest(tmp_path: Path) -> None:
    async with durable(tmp_path / "state.db") as house:
        role = clone(await house.client.get(ClusterRole, "system:basic-user"))
        role.rules = [PolicyRule(verbs=["get"], apiGroups=["x"], resources=["y"])]
        await house.client.update(role)
        binding = clone(await house.client.get(ClusterRoleBinding, "system:basic-user"))
        binding.subjects = [Subject(kind="User", name="jane", apiGroup="rbac.authorization.k8s.io")]
        await house.client.update(binding)
        left = clone(await house.client.get(ClusterRole, "system:discovery"))
        left.rules, left.metadata.annotations = None, {AUTO_UPDATE: "false"}
        await house.client.update(left)
        await house.client.delete(RoleBinding, "system:controller:token-cleaner", "kube-system")
        other = clone(await house.client.get(ClusterRoleBinding, "system:monitoring"))
        await house.client.delete(ClusterRoleBinding, "system:monitoring")
        other.roleRef.name, other.metadata.uid, other.metadata.resourceVersion = "cluster-admin", "", ""
        await house.client.create(other)
        before = await roles(house)
    async with durable(tmp_path / "state.db") as house:
        after = await roles(house)
    assert after["ClusterRole", "", "system:basic-user"].rules[0].resources == ["y"]
    assert len(after["ClusterRole", "", "system:basic-user"].rules) == 4
    assert [one.name for one in after["ClusterRoleBinding", "", "system:basic-user"].subjects] == ["jane", "system:authenticated"]
    assert after["ClusterRole", "", "system:discovery"].rules is None
    assert after["RoleBinding", "kube-system", "system:controller:token-cleaner"].subjects[0].name == "token-cleaner"
    assert after["ClusterRoleBinding", "", "system:monitoring"].roleRef.name == "system:monitoring"
    changed = {key for key in after if key not in before or after[key].metadata.resourceVersion != before[key].metadata.resourceVersion}
    assert {name for _, _, name in changed} == {"system:basic-user", "system:controller:token-cleaner", "system:monitoring"}


async def test_a_restart_of_what_is_right_writes_nothing(tmp_path: Path) -> None:
    async with durable(tmp_path / "state.db") as house:
        before = {key: obj.metadata.resourceVersion for key, obj in (await roles(house)).items()}
    async with durable(tmp_path / "state.db") as house:
        assert {key: obj.metadata.resourceVersion for key, obj in (await roles(house)).items()} == before


async def test_what_is_deleted_while_the_server_runs_stays_away() -> None:
    """As upstream: only a start brings it back."""
    async with open_house() as house:
        await house.client.delete(ClusterRole, "system:heapster")
        assert ("ClusterRole", "", "system:heapster") not in await roles(house)
