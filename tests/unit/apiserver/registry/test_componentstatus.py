"""componentstatuses: what is asked at every look."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.core_v1 import ComponentStatus, ConfigMap
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.registry import bootstrap
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.storage.interface import StorageFailed
from pilothouse.client.call import Call, Options
from pilothouse.machinery.errors import StatusError
from tests.unit.apiserver.registry.house import House

COMPONENTS = resource_of(ComponentStatus)
REFUSED = 'Get "https://127.0.0.1:10259/healthz": dial tcp 127.0.0.1:10259: connect: connection refused'


async def looked(house: House, **options: Any) -> dict[str, tuple[str, str]]:
    listed = await house.registry.execute(Call("list", COMPONENTS, options=Options(**options)), ADMIN)
    statuses = [entry.object for entry in listed.entries]
    return {status.metadata.name: (status.conditions[0].status, status.conditions[0].message) for status in statuses}


async def test_who_answers_is_healthy(house: House) -> None:
    house.registry.store.components["controller-manager"] = lambda: ""
    seen = await looked(house)
    assert seen == {"controller-manager": ("True", "ok"), "scheduler": ("False", REFUSED), "etcd-0": ("True", "ok")}
    house.registry.store.components["controller-manager"] = lambda: "does not run"
    assert (await looked(house, field_selector="metadata.name=controller-manager")) == {"controller-manager": ("False", "does not run")}


async def test_a_store_that_fails_says_why(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(key: str, revision: int = 0) -> None:
        raise StorageFailed("disk I/O error")

    monkeypatch.setattr(house.storage, "get", broken)
    entry = await house.registry.execute(Call("get", COMPONENTS, name="etcd-0"), ADMIN)
    assert entry.object.conditions[0].message == "disk I/O error"


async def test_a_component_that_is_none(house: House) -> None:
    with pytest.raises(StatusError, match='componentstatus "foo" not found'):
        await house.registry.execute(Call("get", COMPONENTS, name="foo"), ADMIN)


def test_extension_servers_are_told_the_ca_of_clients() -> None:
    assert list(bootstrap.authentication_info(Settings())) == []
    (info,) = bootstrap.authentication_info(Settings(client_ca="PEM"))
    assert isinstance(info, ConfigMap)
    assert (info.metadata.namespace, info.metadata.name) == ("kube-system", "extension-apiserver-authentication")
    assert info.data == {"client-ca-file": "PEM"}
