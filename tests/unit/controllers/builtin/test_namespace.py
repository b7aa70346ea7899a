"""Namespaces and what every one of them gets."""

from __future__ import annotations

import pytest

from pilothouse.api.types.apps_v1 import Deployment, ReplicaSet
from pilothouse.api.types.core_v1 import ConfigMap, Namespace, Pod, Secret, ServiceAccount
from pilothouse.controllers.framework.settings import Settings
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.testing.controllers import RegistryBench
from tests.unit.controllers.builtin.test_deployment import deployment


async def test_a_namespace_ends_with_all_it_holds() -> None:
    async with RegistryBench(settings=Settings(root_ca="CA")) as bench:
        await bench.client.create(Namespace(metadata=ObjectMeta(name="team")))
        await bench.advance(1)
        one = deployment(2)
        one.metadata.namespace = "team"
        await bench.client.create(one)
        await bench.client.create(Secret(metadata=ObjectMeta(name="secret", namespace="team")))
        await bench.advance(1)
        assert len(await bench.all(Pod, "team")) == 2
        await bench.client.delete(Namespace, "team")
        await bench.advance(60)
        with pytest.raises(StatusError, match="not found"):
            await bench.client.get(Namespace, "team")
        for kind in (Deployment, ReplicaSet, Pod, Secret, ConfigMap, ServiceAccount):
            assert await bench.all(kind, "team") == []


async def test_says_what_holds_it() -> None:
    async with RegistryBench("namespace") as bench:
        await bench.client.create(Namespace(metadata=ObjectMeta(name="team")))
        held = ConfigMap(metadata=ObjectMeta(name="held", namespace="team", finalizers=["test/hold"]))
        await bench.client.create(held)
        await bench.client.delete(Namespace, "team")
        await bench.advance(1)
        found = await bench.client.get(Namespace, "team")
        assert found.status.phase == "Terminating"
        said = {one.type: (one.status, one.reason, one.message) for one in found.status.conditions}
        assert said["NamespaceContentRemaining"] == (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances",
        )
        assert said["NamespaceFinalizersRemaining"][2] == (
            "Some content in the namespace has finalizers remaining: test/hold in 1 resource instances"
        )
        await bench.edit(ConfigMap, "held", lambda one: one.metadata.finalizers.clear(), "team")
        await bench.advance(10)
        assert "team" not in {one.metadata.name for one in await bench.all(Namespace)}


async def test_every_namespace_gets_an_account_and_the_root_ca_and_gets_them_back() -> None:
    async with RegistryBench("serviceaccount", "root-ca-cert-publisher", settings=Settings(root_ca="CA")) as bench:
        await bench.client.create(Namespace(metadata=ObjectMeta(name="team")))
        await bench.advance(1)
        await bench.client.delete(ServiceAccount, "default", "team")
        await bench.edit(ConfigMap, "kube-root-ca.crt", lambda one: one.data.update({"ca.crt": "forged"}), "team")
        await bench.advance(1)
        assert (await bench.client.get(ServiceAccount, "default", "team")).metadata.name == "default"
        assert (await bench.client.get(ConfigMap, "kube-root-ca.crt", "team")).data == {"ca.crt": "CA"}
