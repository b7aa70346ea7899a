"""APIServices of served groups, and the condition Available of all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.apiregistration import availability, registration
from pilothouse.api.types.apiregistration_v1 import APIService, APIServiceCondition
from pilothouse.api.types.core_v1 import Service
from pilothouse.api.types.discovery_v1 import EndpointSlice
from pilothouse.apiserver.registry.bootstrap import BootstrapRegistry
from pilothouse.apiserver.registry.poststart.hook import Hook
from pilothouse.apiserver.registry.seeding import TIME, Seed, seed
from pilothouse.machinery import time
from pilothouse.machinery.codec import clone, encode

RESYNC_SECONDS = 30.0
"""How often extension API servers are asked again, as upstream."""
NOT_PROXIED = "failing or missing response from https://{name}.{namespace}.svc:{port}/apis/{group}/{version}: requests are not proxied"
"""What is said while nothing in this server speaks to extension API servers."""


class APIServices(Hook):
    """Upstream's hooks kube-apiserver-autoregistration and apiservice-status-local-available-controller and -remote-."""

    name = "apiservices"
    kinds = (APIService,)

    def __init__(self, registry: BootstrapRegistry) -> None:
        super().__init__(registry)
        self._at_start = True
        self._behind: set[tuple[str, str]] = set()
        """(namespace, name) of the Services of remote APIServices."""
        self._answers: dict[str, tuple[tuple[Any, ...], str]] = {}
        """What was seen when an extension API server was asked, and its answer, by the name of its APIService."""
        self._round = 0
        self._following: asyncio.Task[None] | None = None
        self.store.catalogue.subscribe(lambda what, resource: self.wake())

    def seeds(self) -> Iterable[Seed]:
        """APIServices of the groups and versions that this server serves."""
        return [local_seed(each.spec.group, each.spec.version) for each in self._wanted().values()]

    def _wanted(self) -> dict[str, APIService]:
        return registration.desired_api_services((resource.group, resource.version) for resource in self.store.catalogue.resources())

    async def reconcile(self) -> None:
        """Register what is served, then update the condition Available of every APIService."""
        current = {each.metadata.name: each for each in await self.store.list(APIService)}
        for verb, apiservice in registration.changes(current, self._wanted(), at_start=self._at_start):
            if verb == "create":
                await seed(self.store, [local_seed(apiservice.spec.group, apiservice.spec.version)])
            else:
                await self.write(verb, apiservice)
        self._at_start = False
        for apiservice in await self.store.list(APIService):
            await self._tell(apiservice, await self._condition(apiservice))
        remote = [each for each in await self.store.list(APIService) if each.spec.service is not None]
        self._answers = {each.metadata.name: self._answers[each.metadata.name] for each in remote if each.metadata.name in self._answers}
        self._follow_remote(remote)

    def concerns(self, obj: Any) -> bool:
        """Of Services and EndpointSlices, only those of an APIService."""
        if isinstance(obj, Service):
            return (obj.metadata.namespace, obj.metadata.name) in self._behind
        if isinstance(obj, EndpointSlice):
            return (obj.metadata.namespace, obj.metadata.labels.get(wellknown.SERVICE_NAME, "")) in self._behind
        return True

    async def _condition(self, apiservice: APIService) -> APIServiceCondition:
        reference = apiservice.spec.service
        if reference is None:
            return availability.local()
        service = await self.store.get(Service, reference.name, reference.namespace)
        slices = [
            each
            for each in await self.store.list(EndpointSlice, reference.namespace)
            if each.metadata.labels.get(wellknown.SERVICE_NAME) == reference.name
        ]
        problem = availability.backend_problem(apiservice, service, slices)
        if problem is not None:
            return problem
        assert service is not None
        versions = [service.metadata.resourceVersion, *(each.metadata.resourceVersion for each in slices)]
        seen = (self._round, encode(apiservice.spec), *versions)
        message = await self._answer(apiservice, seen)
        return availability.failed_discovery(message) if message else availability.available()

    async def _answer(self, apiservice: APIService, seen: tuple[Any, ...]) -> str:
        """What the extension API server said last, when nothing was seen to change since; or says now."""
        name = apiservice.metadata.name
        known = self._answers.get(name)
        if known is None or known[0] != seen:
            known = self._answers[name] = (seen, await self._discovery_problem(apiservice))
        return known[1]

    async def _discovery_problem(self, apiservice: APIService) -> str:
        ask = self.store.extension_discovery
        if ask is not None:
            return await ask(apiservice)
        reference = apiservice.spec.service
        assert reference is not None
        place = {"name": reference.name, "namespace": reference.namespace, "port": reference.port}
        return NOT_PROXIED.format(group=apiservice.spec.group, version=apiservice.spec.version, **place)

    def _now(self) -> str:
        return time.now_text(self.store.clock)

    async def _tell(self, apiservice: APIService, condition: APIServiceCondition) -> None:
        conditions = availability.with_condition(apiservice, condition, self._now())
        if conditions is not None:
            changed = clone(apiservice)
            changed.status.conditions = conditions
            await self.write("update", changed, subresource="status")

    def _follow_remote(self, apiservices: Sequence[APIService]) -> None:
        """Look at what is behind remote APIServices as long as there are any."""
        references = [each.spec.service for each in apiservices if each.spec.service is not None]
        self._behind = {(reference.namespace, reference.name) for reference in references}
        if self._behind and self._following is None:
            self._following = self.spawn(self._follow_services())
        elif not self._behind and self._following is not None:
            self._following.cancel()
            self._following = None

    async def _follow_services(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follow(Service))
            group.create_task(self.follow(EndpointSlice))
            while True:
                await self.store.clock.sleep(RESYNC_SECONDS)
                self._round += 1
                self.wake()


@lru_cache(maxsize=256)
def local_seed(group: str, version: str) -> Seed:
    """APIService of a group and version that this server serves itself; always available."""
    (apiservice,) = registration.desired_api_services(((group, version),)).values()
    apiservice.status.conditions = availability.with_condition(apiservice, availability.local(), TIME) or []
    return Seed.of(apiservice)
