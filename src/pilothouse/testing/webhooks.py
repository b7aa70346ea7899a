"""Admission webhooks that are Python functions: served over HTTPS on loopback, registered with the API server of a `Cluster`.

    def refuse_latest(request: AdmissionRequest) -> str | None:
        images = [container["image"] for container in request.object["spec"]["containers"]]
        return "images need a tag" if any(image.endswith(":latest") for image in images) else None

    with cluster.webhook(refuse_latest, "pods") as webhook:
        ...

- A handler returns None to let the request pass, or the text of its refusal; `raise Refused(...)` chooses the code and the reason.
- What a mutating handler changes in `request.object` becomes the patch of its answer.
- A plain function is called in a thread of its own and may use the cluster's methods, but not `advance`: time stands still until it has
  answered. A coroutine function runs in the cluster's loop.
- What a handler raises is answered with 500, as by any program, and raised again when the webhook is removed.

Upstream: AdmissionReview of admission.k8s.io/v1.
"""

from __future__ import annotations

import base64
import copy
import inspect
import re
import tempfile
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import msgspec

from pilothouse.api.types.admissionregistration_v1 import (
    MutatingWebhook,
    MutatingWebhookConfiguration,
    RuleWithOperations,
    ValidatingWebhook,
    ValidatingWebhookConfiguration,
)
from pilothouse.client.client import Client
from pilothouse.kit.offload import in_waiting_thread
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.patch.json import step_of
from pilothouse.testing.certificates import ServingCertificate

if TYPE_CHECKING:
    from aiohttp import web

REQUESTS_LIMIT = 10_000
"""Of a webhook's requests the newest so many are kept."""
BODY_LIMIT_BYTES = 16 << 20
CHANGES = ("CREATE", "UPDATE")

Document = dict[str, Any]
Operation = dict[str, Any]


class Refused(Exception):
    """The handler refuses the request. Without a `reason` the API server tells that of the code."""

    def __init__(self, message: str, code: int = 403, reason: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.reason = message, code, reason


@dataclass
class AdmissionRequest:
    """The `request` of an AdmissionReview. `object` and `old_object` are {} where there is none."""

    uid: str
    operation: str
    """CREATE, UPDATE, DELETE or CONNECT."""
    group: str
    version: str
    resource: str
    subresource: str
    kind: str
    namespace: str
    name: str
    object: Document
    old_object: Document
    username: str
    groups: Sequence[str]
    dry_run: bool
    options: Document
    raw: Document
    """The whole request as it was sent, for what has no attribute."""
    warnings: list[str] = field(default_factory=list)
    """What the client is to be warned of."""
    audit_annotations: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, review: Document) -> Self:
        """Read the `request` of a review."""
        request = review["request"]
        resource, user = request["resource"], request["userInfo"]
        return cls(
            uid=request["uid"],
            operation=request["operation"],
            group=resource["group"],
            version=resource["version"],
            resource=resource["resource"],
            subresource=request.get("subResource", ""),
            kind=request["kind"]["kind"],
            namespace=request.get("namespace", ""),
            name=request.get("name", ""),
            object=copy.deepcopy(request.get("object")) or {},
            old_object=copy.deepcopy(request.get("oldObject")) or {},
            username=user.get("username", ""),
            groups=user.get("groups") or [],
            dry_run=bool(request.get("dryRun")),
            options=request.get("options") or {},
            raw=request,
        )

    def warn(self, text: str) -> None:
        """Warn the client."""
        self.warnings.append(text)


Handler = Callable[[AdmissionRequest], str | Awaitable[str | None] | None]


def patch_between(before: Any, after: Any, path: str = "") -> Iterator[Operation]:
    """The operations of a JSON Patch that make `after` of `before`. Lists are replaced whole."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        if type(before) is not type(after) or before != after:
            yield {"op": "replace", "path": path, "value": after}
        return
    for name in before.keys() | after.keys():
        inner = f"{path}/{step_of(name)}"
        if name not in after:
            yield {"op": "remove", "path": inner}
        elif name not in before:
            yield {"op": "add", "path": inner, "value": after[name]}
        else:
            yield from patch_between(before[name], after[name], inner)


def response_of(request: AdmissionRequest, refusal: Refused | None, *, mutating: bool) -> Document:
    """The AdmissionReview that answers a request which the handler has seen."""
    response: Document = {"uid": request.uid, "allowed": refusal is None}
    if request.warnings:
        response["warnings"] = request.warnings
    if request.audit_annotations:
        response["auditAnnotations"] = request.audit_annotations
    if refusal is not None:
        reason = {"reason": refusal.reason} if refusal.reason else {}
        response["status"] = {"message": refusal.message, "code": refusal.code, **reason}
    elif mutating:
        operations = sorted(patch_between(request.raw.get("object") or {}, request.object), key=lambda each: str(each["path"]))
        if operations:
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(msgspec.json.encode(operations)).decode()}
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}


def rule_of(resource: str, operations: Sequence[str]) -> RuleWithOperations:
    """The rule of a resource as kubectl names it: `pods`, `pods/eviction`, `deployments.apps`, `deployments.apps/scale`, `*.*`."""
    plural, slash, subresource = resource.partition("/")
    plural, _, group = plural.partition(".")
    return RuleWithOperations(list(operations), [group], ["*"], [f"{plural}{slash}{subresource}"])


def name_of(handler: Handler) -> str:
    """A name for the webhook of a handler: that of the function as the API wants names."""
    words = re.findall(r"[a-z0-9]+", getattr(handler, "__name__", "").lower())
    return "-".join(words) or "handler"


_thread = threading.local()


def is_answering() -> bool:
    """Whether this thread runs a handler."""
    return getattr(_thread, "answers", False)


def _in_thread(handler: Handler, request: AdmissionRequest) -> Any:
    _thread.answers = True
    try:
        return handler(request)
    finally:
        _thread.answers = False


class Webhook:
    """A webhook that is registered; `requests` are those that it was asked about, the newest last. It is removed at the end of a with
    block, by `remove`, or with the cluster."""

    def __init__(self, name: str, handler: Handler, remove: Callable[[], None], *, mutating: bool) -> None:
        self.name = name
        self.mutating = mutating
        self.requests: deque[AdmissionRequest] = deque(maxlen=REQUESTS_LIMIT)
        self.errors: list[Exception] = []
        """What the handler raised."""
        self._handler = handler
        self._remove = remove

    async def answer(self, review: Document) -> Document:
        """The review that answers `review`. What the handler raises is noted, and raised."""
        request = AdmissionRequest.of(review)
        self.requests.append(request)
        refusal: Refused | None = None
        try:
            if inspect.iscoroutinefunction(self._handler):
                said = await self._handler(request)
            else:
                said = await in_waiting_thread(_in_thread, self._handler, request)
            refusal = Refused(said) if said is not None else None
        except Refused as refused:
            refusal = refused
        except Exception as error:
            self.errors.append(error)
            raise
        return response_of(request, refusal, mutating=self.mutating)

    def remove(self) -> None:
        """End it. The first exception that its handler raised, if any, is raised here again."""
        self._remove()
        if self.errors:
            raise self.errors.pop(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.remove()
        else:
            self._remove()


class Webhooks:
    """All webhooks of one cluster: served on one port of loopback, each at the path of its name."""

    def __init__(self) -> None:
        self._webhooks: dict[str, Webhook] = {}
        self._runner: web.AppRunner | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._bundle = ""
        self._url = ""

    async def start(self) -> None:
        """Make a certificate and listen; at once when that is done."""
        if self._runner is not None:
            return
        self._folder = tempfile.TemporaryDirectory(prefix="pilothouse-webhooks-")
        from aiohttp import web  # late: most tests have no webhook

        made = ServingCertificate.make(Path(self._folder.name), ["127.0.0.1"])
        self._bundle = made.bundle
        application = web.Application(client_max_size=BODY_LIMIT_BYTES)
        application.router.add_post("/{name}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=made.context()).start()
        self._url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close all; harmless when it does not run."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._folder is not None:
            self._folder.cleanup()

    async def register(
        self,
        client: Client,
        handler: Handler,
        rules: Sequence[RuleWithOperations],
        name: str,
        settings: Mapping[str, Any],
        call: Callable[[Coroutine[Any, Any, None]], None],
        *,
        mutating: bool,
    ) -> Webhook:
        """Have the API server ask `handler`; `call` runs the coroutine that removes it. StatusError when the API refuses it."""
        await self.start()
        base = name or name_of(handler)
        free = next(tried for tried in chain([base], (f"{base}-{number}" for number in count(2))) if tried not in self._webhooks)
        webhook = Webhook(free, handler, lambda: call(self.remove(client, webhook)), mutating=mutating)
        self._webhooks[free] = webhook
        try:
            await client.create(configuration_of(free, rules, self.client_config(free), settings, mutating=mutating))
        except BaseException:
            del self._webhooks[free]
            raise
        return webhook

    async def remove(self, client: Client, webhook: Webhook) -> None:
        """Remove a webhook and its configuration; harmless when it is gone."""
        self._webhooks.pop(webhook.name, None)
        try:
            await client.delete(MutatingWebhookConfiguration if webhook.mutating else ValidatingWebhookConfiguration, webhook.name)
        except StatusError as error:
            if error.reason != "NotFound":
                raise

    def client_config(self, name: str) -> Document:
        """The clientConfig by which the API server reaches the webhook of this name."""
        return {"url": f"{self._url}/{name}", "caBundle": self._bundle}

    async def _answer(self, request: web.Request) -> web.Response:
        from aiohttp import web

        webhook = self._webhooks.get(request.match_info["name"])
        if webhook is None:
            return web.Response(status=404)
        try:
            answer = await webhook.answer(msgspec.json.decode(await request.read()))
        except Exception as error:
            return web.Response(status=500, text=f"{type(error).__name__}: {error}")
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


def configuration_of(
    name: str, rules: Sequence[RuleWithOperations], client_config: Document, settings: Mapping[str, Any], *, mutating: bool
) -> MutatingWebhookConfiguration | ValidatingWebhookConfiguration:
    """The configuration of one webhook. `settings` are further fields of it, by the API's names; TypeError for those it has not."""
    kind: type[Any] = MutatingWebhook if mutating else ValidatingWebhook
    unknown = settings.keys() - set(kind.__struct_fields__)
    if unknown:
        raise TypeError(f"a {kind.__name__} has no {', '.join(sorted(unknown))}: it has {', '.join(kind.__struct_fields__)}")
    said = {"sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": client_config, **settings}
    webhook = codec.convert({"name": f"{name}.webhook.test", "rules": [codec.to_dict(rule) for rule in rules], **said}, kind)
    whole: type[Any] = MutatingWebhookConfiguration if mutating else ValidatingWebhookConfiguration
    return cast("MutatingWebhookConfiguration | ValidatingWebhookConfiguration", whole(metadata=ObjectMeta(name=name), webhooks=[webhook]))
