"""What an API server keeps by itself: flow schemas and priority levels, APIServices and whether they are available, the ServiceCIDR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.api.catalogue import resources
from pilothouse.api.types.apiregistration_v1 import APIService, APIServiceSpec, ServiceReference
from pilothouse.api.types.core_v1 import Service, ServicePort, ServiceSpec
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.api.types.flowcontrol_v1 import FlowSchema, PriorityLevelConfiguration
from pilothouse.api.types.networking_v1 import ServiceCIDR
from pilothouse.apiserver.fairness.defaults import AUTO_UPDATE, flow_schemas
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.kit.virtual_clock import wait_until_idle
from pilothouse.machinery import codec
from pilothouse.machinery.codec import clone
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.registry.house import House, open_house

BOOTSTRAP = json.loads((Path(__file__).parent / "tables" / "bootstrap.json").read_text())
"""As kube-apiserver 1.37 makes them, without what differs from server to server."""
CONFIG = "priority-and-fairness-config"


async def reconciled(house: House, name: str) -> None:
    """Let a hook come to rest: everything here happens without time."""
    await wait_until_idle()
    assert house.registry.hooks[name].reconciled.is_set()


def plain(obj: Any) -> Any:
    """An object without what the server chooses, and without prose."""
    found = codec.to_dict(obj)
    found["metadata"] = {name: found["metadata"][name] for name in ("annotations", "labels", "name") if name in found["metadata"]}
    found.pop("description", None)
    for condition in found.get("status", {}).get("conditions", ()):
        condition.pop("lastTransitionTime")
    return found


@pytest.mark.parametrize("expected", [pytest.param(each, id=f"{each['kind']} {each['metadata']['name']}") for each in BOOTSTRAP])
async def test_a_new_cluster_has_upstreams_objects(expected: dict[str, Any]) -> None:
    async with open_house() as house:
        resource = next(each for each in resources() if each.kind == expected["kind"] and each.api_version == expected["apiVersion"])
        assert plain(await house.client.get(resource.type, expected["metadata"]["name"])) == expected


async def test_there_are_no_other_apiservices_and_flow_schemas() -> None:
    async with open_house() as house:
        for kind in (APIService, FlowSchema, PriorityLevelConfiguration):
            names = {each.metadata.name for each in await house.registry.store.list(kind)}
            assert names == {each["metadata"]["name"] for each in BOOTSTRAP if each["kind"] == kind.GVK[2]}


async def test_field_managers_of_flow_schemas_are_upstreams() -> None:
    async with open_house() as house:
        entries = (await house.client.get(FlowSchema, "probes")).metadata.managedFields
        assert [(entry.manager, entry.operation, entry.subresource) for entry in entries] == [
            ("api-priority-and-fairness-config-consumer-v1", "Apply", "status"),
            ("api-priority-and-fairness-config-producer-v1", "Update", ""),
        ]


@pytest.mark.parametrize(
    ("name", "annotation", "comes_back", "annotated"),
    [
        pytest.param("exempt", "false", True, "true", id="a mandatory schema always"),
        pytest.param("probes", "true", True, "true", id="a suggested schema that is to follow"),
        pytest.param("probes", "false", False, "false", id="a suggested schema that is its administrator's"),
        pytest.param("probes", "", False, "false", id="a suggested schema that was changed and does not say"),
    ],
)
async def test_a_changed_spec(name: str, annotation: str, comes_back: bool, annotated: str) -> None:
    async with open_house() as house:
        schema = clone(await house.client.get(FlowSchema, name))
        before = schema.spec.rules
        schema.spec.rules = clone(next(each for each in flow_schemas() if each.metadata.name == "kube-scheduler")).spec.rules
        schema.metadata.annotations = {AUTO_UPDATE: annotation} if annotation else {}
        await house.client.update(schema)
        await reconciled(house, CONFIG)
        after = await house.client.get(FlowSchema, name)
        assert (after.spec.rules == before) is comes_back
        assert after.metadata.annotations == {AUTO_UPDATE: annotated}


async def test_a_deleted_default_comes_back() -> None:
    async with open_house() as house:
        await house.client.delete(FlowSchema, "service-accounts")
        await house.client.delete(PriorityLevelConfiguration, "workload-low")
        await reconciled(house, CONFIG)
        assert (await house.client.get(FlowSchema, "service-accounts")).status.conditions[0].reason == "Found"
        assert await house.client.get(PriorityLevelConfiguration, "workload-low")


async def test_what_claims_to_be_a_default_and_is_none_goes() -> None:
    async with open_house() as house:
        for name, value in (("stale", "true"), ("own", "false"), ("odd", "perhaps")):
            schema = next(each for each in flow_schemas() if each.metadata.name == "service-accounts")
            schema.metadata = ObjectMeta(name=name, annotations={AUTO_UPDATE: value})
            await house.client.create(schema)
        await reconciled(house, CONFIG)
        names = {schema.metadata.name for schema in await house.registry.store.list(FlowSchema)}
        assert {"stale", "own", "odd"} & names == {"own", "odd"}


async def test_a_schema_says_that_its_priority_level_is_missing() -> None:
    async with open_house() as house:
        schema = next(each for each in flow_schemas() if each.metadata.name == "service-accounts")
        schema.metadata = ObjectMeta(name="mine")
        schema.spec.priorityLevelConfiguration.name = "nothing"
        await house.client.create(schema)
        await reconciled(house, CONFIG)
        condition = (await house.client.get(FlowSchema, "mine")).status.conditions[0]
        assert (condition.type, condition.status, condition.reason) == ("Dangling", "True", "NotFound")
        assert condition.message == (
            'This FlowSchema references the PriorityLevelConfiguration object named "nothing" but there is no such object'
        )


async def test_the_service_cidr_is_ready_while_it_is_the_servers() -> None:
    async with open_house(settings=Settings(service_ranges=("10.1.0.0/16",))) as house:
        default = await house.client.get(ServiceCIDR, "kubernetes")
        assert default.spec.cidrs == ["10.1.0.0/16"]
        assert [(each.type, each.status, each.message) for each in default.status.conditions] == [
            ("Ready", "True", "Kubernetes default Service CIDR is ready")
        ]
        storage = house.storage
    async with open_house(storage, settings=Settings(service_ranges=("10.1.0.0/16", "fd00::/108"))) as house:
        await reconciled(house, "kubernetes-service-cidr")
        assert (await house.client.get(ServiceCIDR, "kubernetes")).spec.cidrs == ["10.1.0.0/16", "fd00::/108"]


async def test_a_builtin_apiservice_comes_back_at_the_next_start_only() -> None:
    async with open_house() as house:
        await house.client.delete(APIService, "v1.apps")
        await reconciled(house, "apiservices")
        assert await house.registry.store.get(APIService, "v1.apps") is None
        storage = house.storage
    async with open_house(storage) as house:
        assert await house.client.get(APIService, "v1.apps")


PORTS = [ServicePort(name="https", port=443)]


def endpoints(*, ready: bool | None = True, name: str = "https") -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name="s-1", namespace="default", labels={"kubernetes.io/service-name": "s"}),
        addressType="IPv4",
        endpoints=[Endpoint(addresses=["10.0.0.1"], conditions=EndpointConditions(ready=ready))],
        ports=[EndpointPort(name=name, port=8443, protocol="TCP")],
    )


def service(*ports: ServicePort) -> Service:
    return Service(metadata=ObjectMeta(name="s", namespace="default"), spec=ServiceSpec(ports=list(ports or PORTS)))


@pytest.mark.parametrize(
    ("behind", "status", "reason", "message"),
    [
        pytest.param([], "False", "ServiceNotFound", 'service/s in "default" is not present', id="no Service"),
        pytest.param(
            [service(ServicePort(name="https", port=444))],
            "False",
            "ServicePortError",
            'service/s in "default" is not listening on port 443',
            id="another port",
        ),
        pytest.param(
            [service()], "False", "EndpointsNotFound", 'cannot find endpointslices for service/s in "default"', id="no EndpointSlices"
        ),
        pytest.param(
            [service(), endpoints(ready=False)],
            "False",
            "MissingEndpoints",
            'endpointslices for service/s in "default" have no addresses with port name "https"',
            id="none that is ready",
        ),
        pytest.param(
            [service(), endpoints(name="other")],
            "False",
            "MissingEndpoints",
            'endpointslices for service/s in "default" have no addresses with port name "https"',
            id="none of that port",
        ),
        pytest.param([service(), endpoints()], "False", "FailedDiscoveryCheck", "no answer", id="a server that does not answer"),
        pytest.param([service(), endpoints(ready=None)], "True", "Passed", "all checks passed", id="a server that answers"),
    ],
)
async def test_a_remote_apiservice_says_whether_it_is_available(behind: list[Any], status: str, reason: str, message: str) -> None:
    async with open_house() as house:

        async def ask(apiservice: APIService) -> str:
            return "no answer" if message == "no answer" else ""

        house.registry.store.extension_discovery = ask
        spec = APIServiceSpec(
            group="g.example",
            version="v1",
            groupPriorityMinimum=100,
            versionPriority=10,
            insecureSkipTLSVerify=True,
            service=ServiceReference(namespace="default", name="s", port=443),
        )
        await house.client.create(APIService(metadata=ObjectMeta(name="v1.g.example"), spec=spec))
        for obj in behind:
            await house.client.create(obj)
        await reconciled(house, "apiservices")
        condition = (await house.client.get(APIService, "v1.g.example")).status.conditions[0]
        assert (condition.type, condition.status, condition.reason, condition.message) == ("Available", status, reason, message)


async def test_extension_servers_are_asked_again_every_half_minute() -> None:
    async with open_house() as house:
        asked: list[str] = []

        async def ask(apiservice: APIService) -> str:
            asked.append(apiservice.metadata.name)
            return "" if len(asked) > 1 else "no answer"

        house.registry.store.extension_discovery = ask
        reference = ServiceReference(namespace="default", name="s", port=443)
        spec = APIServiceSpec(
            group="g.example", version="v1", groupPriorityMinimum=100, versionPriority=10, insecureSkipTLSVerify=True, service=reference
        )
        for obj in (service(), endpoints(), APIService(metadata=ObjectMeta(name="v1.g.example"), spec=spec)):
            await house.client.create(obj)
        await reconciled(house, "apiservices")
        assert (await house.client.get(APIService, "v1.g.example")).status.conditions[0].status == "False"
        await house.clock.advance(31)
        await reconciled(house, "apiservices")
        assert (await house.client.get(APIService, "v1.g.example")).status.conditions[0].status == "True"
        await house.client.delete(APIService, "v1.g.example")
        count = len(asked)
        await house.clock.advance(120)
        assert len(asked) == count
