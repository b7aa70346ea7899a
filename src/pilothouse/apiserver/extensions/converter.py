"""WebhookConverter: converts the objects of one custom kind by its webhook.

- One call for all objects of a list. What a webhook has converted is remembered with the object, and asked again for no reader.
- `convert` is for the loop. Code that runs in a thread, as all that changes objects of such a kind does, converts by `convert_one`.
- A call ends after SECONDS; a failure is a StatusError 500 in upstream's words.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition, WebhookClientConfig
from pilothouse.apiserver.extensions.conversion import ConversionFailed, converted, review_of, review_version
from pilothouse.apiserver.extensions.metrics import ConversionMetrics
from pilothouse.apiserver.extensions.schema import adapt
from pilothouse.machinery.errors import failure
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.unstructured import Unstructured

SECONDS = 30.0
Ask = Callable[[WebhookClientConfig, bytes, float], Awaitable[bytes]]
"""(where, review, seconds) -> the answer; ConversionFailed when there is none."""


@dataclass(frozen=True, slots=True)
class Calling:
    """How conversion webhooks are called: `uid` generates review uids, `now` gives the time in seconds for metrics."""

    ask: Ask
    uid: Callable[[], str]
    now: Callable[[], float]
    metrics: ConversionMetrics


class WebhookConverter:
    """Converts the objects of one custom kind by its conversion webhook."""

    def __init__(self, definition: CustomResourceDefinition, calling: Calling) -> None:
        self._name = definition.metadata.name
        conversion = definition.spec.conversion
        webhook = conversion.webhook if conversion is not None else None
        self._config = webhook.clientConfig if webhook is not None else None
        self._accepted = (webhook.conversionReviewVersions or []) if webhook is not None else []
        self._calling = calling
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    async def convert(self, objects: Sequence[Any], target: Resource[Any]) -> list[Any]:
        """The objects, which are left as they are, in the version of `target`."""
        waiting = [obj for obj in objects if obj.apiVersion != target.api_version]
        try:
            made = iter(await self._converted(waiting, target) if waiting else ())
        except ConversionFailed as problem:
            raise failure(500, "", str(problem.args[0])) from problem
        return [next(made) if obj.apiVersion != target.api_version else obj for obj in objects]

    def convert_one(self, obj: Any, target: Resource[Any]) -> Any:
        """The same for one object, for code that runs in a thread. On the loop, which must not wait, it is a StatusError 500."""
        if threading.get_ident() == self._thread:
            raise failure(500, "", f"conversion webhook for {obj.apiVersion}, Kind={obj.kind} cannot be waited for here")
        return asyncio.run_coroutine_threadsafe(self.convert([obj], target), self._loop).result()[0]

    async def _converted(self, objects: Sequence[Unstructured], target: Resource[Any]) -> list[Unstructured]:
        calling, problem = self._calling, ""
        started = calling.now()
        try:
            return await self._answered(objects, target)
        except ConversionFailed as failure:
            problem = failure.type
            raise
        finally:
            source = objects[0].apiVersion.rpartition("/")[2]
            calling.metrics.count(self._name, (source, target.version), problem, calling.now() - started)

    async def _answered(self, objects: Sequence[Unstructured], target: Resource[Any]) -> list[Unstructured]:
        version, uid = review_version(self._accepted), self._calling.uid()
        config = self._config or WebhookClientConfig()
        try:
            answer = await self._calling.ask(config, review_of(objects, target, uid, version), SECONDS)
        except ConversionFailed as problem:
            source = f"{objects[0].apiVersion}, Kind={objects[0].kind}"
            raise ConversionFailed(f"conversion webhook for {source} failed: {problem.args[0]}") from problem
        made = converted(answer, objects, target, uid, version)
        for obj in made:
            adapt(obj, target)
        return made
