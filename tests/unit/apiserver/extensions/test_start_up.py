"""A server that starts with what extends the API in its store: not one request passes what is stored, and all acts when it is ready."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.client.call import Call
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.errors import StatusError
from tests.unit.apiserver.aggregation.extension import GROUP, PATH, apiservice, endpoint_slice, extension_server, service
from tests.unit.apiserver.extensions.definitions import WIDGETS, define, definition, version, widget
from tests.unit.apiserver.serving import Answer, Caller, serving

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
DEFAULT = "/api/v1/namespaces/default"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
WRITE_BUDGET = 400
Map = dict[str, Any]


def rule(resource: str, group: str = "", version: str = "v1") -> Map:
    return {"apiGroups": [group], "apiVersions": [version], "resources": [resource], "operations": ["CREATE"]}


WEBHOOK = {
    "name": "nobody.example.com",
    "clientConfig": {"url": "https://127.0.0.1:1/"},
    "rules": [rule("configmaps")],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
DENYING = {
    "matchConstraints": {"resourceRules": [rule("secrets"), rule("widgets", "example.com")]},
    "validations": [{"expression": "object.metadata.name == 'ready'", "message": "not now"}],
}
LABELLING = {
    "matchConstraints": {"resourceRules": [rule("serviceaccounts")]},
    "reinvocationPolicy": "Never",
    "mutations": [
        {
            "patchType": "ApplyConfiguration",
            "applyConfiguration": {"expression": "Object{metadata: Object.metadata{labels: {'seen': 'yes'}}}"},
        }
    ],
}


def named(name: str, **spec: Any) -> Map:
    return {"metadata": {"name": name}, "spec": spec}


async def store_extensions(folder: Path, storage: MemoryStorage, extension: Any) -> None:
    """A definition, a webhook that nobody answers for, a policy of each kind, an APIService: in the store of a server that ends."""
    async with serving(folder, storage=storage, front_proxy=extension.folder) as served, aiohttp.ClientSession() as session:
        call = Caller(served.url, session)
        served.registry.store.local_services["default", "readings"] = ("127.0.0.1", extension.port)
        await define(call, definition(version("v1")))
        bodies = {
            f"{DEFAULT}/services": service(),
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices": endpoint_slice(),
            "/apis/apiregistration.k8s.io/v1/apiservices": apiservice(extension.ca_bundle),
            f"{REGISTRATION}/validatingadmissionpolicies": named("deny", **DENYING),
            f"{REGISTRATION}/validatingadmissionpolicybindings": named("deny", policyName="deny", validationActions=["Deny"]),
            f"{REGISTRATION}/mutatingadmissionpolicies": named("label", **LABELLING),
            f"{REGISTRATION}/mutatingadmissionpolicybindings": named("label", policyName="label"),
            f"{REGISTRATION}/validatingwebhookconfigurations": {"metadata": {"name": "nobody"}, "webhooks": [WEBHOOK]},
        }
        for path, body in bodies.items():
            made = await call("POST", path, body)
            assert made.status == 201, made.body
        for _ in range(WRITE_BUDGET):
            if (await call("GET", f"{PATH}/namespaces/default/readings/a")).status == 200:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the extension API server does not become available")


async def admitted(call: Caller, turn: int) -> list[str]:
    """What of a round of requests got past what is stored."""
    config = await call("POST", f"{DEFAULT}/configmaps", {"metadata": {"name": f"c{turn}"}})
    secret = await call("POST", f"{DEFAULT}/secrets", {"metadata": {"name": f"s{turn}"}})
    custom = await call("POST", WIDGETS, widget(f"w{turn}"))
    account = await call("POST", f"{DEFAULT}/serviceaccounts", {"metadata": {"name": f"a{turn}"}})
    passed = [what for what, answer in (("configmap", config), ("secret", secret), ("widget", custom)) if answer.status == 201]
    if account.status == 201 and account.json()["metadata"].get("labels") != {"seen": "yes"}:
        passed.append("serviceaccount")
    return passed


async def acts(call: Caller) -> dict[str, Any]:
    """What all that was stored answers with."""
    config: Answer = await call("POST", f"{DEFAULT}/configmaps", {"metadata": {"name": "config"}})
    custom = await call("POST", WIDGETS, widget("no"))
    listed = await call("GET", "/apis", Accept=AGGREGATED)
    groups = {item["metadata"]["name"]: item["versions"][0].get("resources", []) for item in listed.json()["items"]}
    return {
        "webhook": "failed calling webhook" in config.json()["message"],
        "policy": "not now" in custom.json()["message"],
        "definition": (await call("POST", WIDGETS, widget("ready"))).status,
        "mutation": (await call("POST", f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "last"}})).json()["metadata"]["labels"],
        "extension": (await call("GET", f"{PATH}/namespaces/default/readings/a")).json()["kind"],
        "discovery": (len(groups.get("example.com", ())), len(groups.get(GROUP, ()))),
    }


async def test_nothing_passes_what_is_stored_and_all_of_it_acts_once_the_server_is_ready(tmp_path: Path) -> None:
    storage = MemoryStorage()
    async with extension_server(tmp_path / "extension") as extension:
        await store_extensions(tmp_path, storage, extension)
        place = {("default", "readings"): ("127.0.0.1", extension.port)}
        starting = serving(tmp_path, storage=storage, front_proxy=extension.folder, ready=False, local_services=place)
        async with starting as served, aiohttp.ClientSession() as session:
            call, passed = Caller(served.url, session), []
            for turn in range(WRITE_BUDGET):
                passed += await admitted(call, turn)
                if (await call("GET", "/readyz")).status == 200:
                    break
            else:
                raise AssertionError((await call("GET", "/readyz?verbose")).body)
            answered = await acts(call)
    assert passed == []
    assert answered == {
        "webhook": True,
        "policy": True,
        "definition": 201,
        "mutation": {"seen": "yes"},
        "extension": "Reading",
        "discovery": (1, 1),
    }


@pytest.mark.parametrize("plural", ["configmaps", "secrets"])
async def test_in_process_too_the_first_request_meets_what_is_stored(tmp_path: Path, plural: str) -> None:
    storage = MemoryStorage()
    async with extension_server(tmp_path / "extension") as extension:
        await store_extensions(tmp_path, storage, extension)
    registry = Registry(storage, SystemClock(), Entropy())
    running = asyncio.create_task(registry.run())
    resource = registry.catalogue.by_plural("", "v1", plural)
    assert resource is not None
    body = resource.type()
    body.metadata.name = "early"
    try:
        with pytest.raises(StatusError, match="failed calling webhook" if plural == "configmaps" else "not now"):
            await asyncio.wait_for(registry.execute(Call("create", resource, "default", body=body), ADMIN), 60)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
