"""Admission webhooks with a real HTTPS server: what they are sent, and what their answers do to requests."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.admissionregistration_v1 import (
    MutatingWebhook,
    MutatingWebhookConfiguration,
    RuleWithOperations,
    ValidatingWebhook,
    ValidatingWebhookConfiguration,
    WebhookClientConfig,
)
from pilothouse.api.types.authentication_v1 import TokenRequest
from pilothouse.api.types.autoscaling_v2 import CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec
from pilothouse.api.types.core_v1 import Binding, ConfigMap, Namespace, ObjectReference, Pod, ServiceAccount
from pilothouse.api.types.policy_v1 import Eviction
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.call import MERGE_PATCH, Call, Options
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta
from tests.unit.apiserver.registry.house import House, config, open_house, pod, refused
from tests.unit.apiserver.webhooks.servers import Certificate, Review, WebhookServer, certificate, serving_webhook

Answer = Callable[[Review], Any]


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("localhost"))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as house:
        await house.client.create(Namespace(metadata=ObjectMeta(name="shop", labels={"env": "production"})))
        yield house


def response(review: Review, version: str = "v1", **said: Any) -> Review:
    answer = {"uid": review["request"]["uid"], "allowed": True, **said}
    return {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "response": answer}


def allow(review: Review) -> Review:
    return response(review)


def denying(**status: Any) -> Answer:
    return lambda review: response(review, allowed=False, **({"status": status} if status else {}))


def patching(*operations: dict[str, Any]) -> Answer:
    patch = base64.b64encode(orjson.dumps(operations)).decode()
    return lambda review: response(review, patch=patch, patchType="JSONPatch")


def rule(resources: str = "configmaps", groups: str = "", versions: str = "v1", operations: str = "*") -> RuleWithOperations:
    return RuleWithOperations(operations.split(), [groups], [versions], resources.split(), "*")


async def configure(house: House, kind: type[Any], url: str, bundle: str, name: str = "test", **said: Any) -> Any:
    """A configuration of one webhook."""
    webhook = MutatingWebhook if kind is MutatingWebhookConfiguration else ValidatingWebhook
    fields: dict[str, Any] = {"rules": [rule()], "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5, **said}
    made = webhook(name=f"{name}.example.com", clientConfig=WebhookClientConfig(url=url, caBundle=bundle), **fields)
    return await house.client.create(kind(metadata=ObjectMeta(name=name), webhooks=[made]))


@asynccontextmanager
async def hooked(
    house: House, answer: Answer, localhost: Certificate, kind: type[Any], name: str = "test", **said: Any
) -> AsyncIterator[WebhookServer]:
    """A webhook server and its configuration."""
    async with serving_webhook(answer, localhost) as server:
        await configure(house, kind, server.url, server.bundle, name, **said)
        yield server


VALIDATING, MUTATING = ValidatingWebhookConfiguration, MutatingWebhookConfiguration


async def test_a_review_says_all_of_a_request(house: House, localhost: Certificate) -> None:
    async with hooked(house, allow, localhost, VALIDATING) as server:
        call = Call(
            "create", resource_of(ConfigMap), "default", "", "", config("a"), options=Options(field_manager="me", field_validation="Strict")
        )
        await house.registry.execute(call, ADMIN)
    (review,) = server.reviews
    request = review["request"]
    assert (review["kind"], review["apiVersion"], list(review)) == (
        "AdmissionReview",
        "admission.k8s.io/v1",
        ["kind", "apiVersion", "request"],
    )
    obj, uid = request.pop("object"), request.pop("uid")
    assert len(uid) == 36
    assert (obj["kind"], obj["apiVersion"], obj["metadata"]["name"], bool(obj["metadata"]["uid"])) == ("ConfigMap", "v1", "a", True)
    assert request == {
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "requestKind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "requestResource": {"group": "", "version": "v1", "resource": "configmaps"},
        "name": "a",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": ADMIN.name, "groups": list(ADMIN.groups)},
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me", "fieldValidation": "Strict"},
    }


async def run(house: House, verb: str, kind: type[Any], name: str, subresource: str = "", body: Any = None, **options: Any) -> None:
    patch_type = MERGE_PATCH if verb == "patch" else ""
    namespace = "" if kind is Namespace else "default"
    await house.registry.execute(Call(verb, resource_of(kind), namespace, name, subresource, body, patch_type, Options(**options)), ADMIN)


async def connect(house: House, *args: Any) -> None:
    from pilothouse.api.core.connectoptions import PodExecOptions

    await house.registry.connect(resource_of(Pod), "default", "a", "exec", PodExecOptions(command=["sh"], stdin=True), ADMIN, [])


META = ObjectMeta(name="a", namespace="default")
STEPS: list[tuple[str, Callable[[House], Awaitable[None]], dict[str, Any]]] = [
    (
        "update",
        lambda house: run(house, "patch", Pod, "a", body=b'{"metadata":{"labels":{"a":"b"}}}'),
        {"operation": "UPDATE", "options": "UpdateOptions"},
    ),
    (
        "status",
        lambda house: run(house, "patch", Pod, "a", "status", b'{"status":{"phase":"Running"}}'),
        {"operation": "UPDATE", "sub": "status"},
    ),
    (
        "dry run",
        lambda house: run(house, "patch", Pod, "a", body=b'{"metadata":{"labels":{"a":"c"}}}', dry_run=True),
        {"operation": "UPDATE", "dryRun": True},
    ),
    (
        "delete",
        lambda house: run(house, "delete", Pod, "a", dry_run=True),
        {"operation": "DELETE", "object": False, "options": "DeleteOptions"},
    ),
    (
        "deletecollection",
        lambda house: run(house, "deletecollection", Pod, "", dry_run=True),
        {"operation": "DELETE", "object": False, "name": None},
    ),
    (
        "binding",
        lambda house: run(house, "create", Pod, "a", "binding", Binding(metadata=META, target=ObjectReference(kind="Node", name="n"))),
        {"operation": "CREATE", "sub": "binding", "kind": "Binding", "old": False},
    ),
    (
        "eviction",
        lambda house: run(house, "create", Pod, "a", "eviction", Eviction(metadata=META), dry_run=True),
        {"operation": "CREATE", "sub": "eviction", "kind": "Eviction", "old": False},
    ),
    ("connect", connect, {"operation": "CONNECT", "sub": "exec", "kind": "PodExecOptions", "old": False, "options": None}),
]


@pytest.mark.parametrize(("step", "expected"), [pytest.param(step, expected, id=name) for name, step, expected in STEPS])
async def test_what_is_asked_about_a_pod(
    house: House, localhost: Certificate, step: Callable[[House], Awaitable[None]], expected: dict[str, Any]
) -> None:
    await house.client.create(pod("a"))
    async with hooked(house, allow, localhost, VALIDATING, rules=[rule("pods pods/*")]) as server:
        await step(house)
    (request,) = [review["request"] for review in server.reviews]
    seen = {
        "operation": request["operation"],
        "sub": request.get("subResource"),
        "kind": request["kind"]["kind"],
        "name": request.get("name"),
        "object": request["object"] is not None,
        "old": request["oldObject"] is not None,
        "dryRun": request["dryRun"],
        "options": request["options"] and request["options"]["kind"],
    }
    usual = {"sub": None, "kind": "Pod", "name": "a", "object": True, "old": True, "dryRun": seen["dryRun"], "options": seen["options"]}
    assert seen == {**usual, **expected}
    if seen["object"]:
        assert request["object"]["kind"] == request["kind"]["kind"]


async def test_a_token_request_is_shown(house: House, localhost: Certificate) -> None:
    async with hooked(house, denying(message="no tokens"), localhost, VALIDATING, rules=[rule("serviceaccounts/token")]):
        with pytest.raises(StatusError, match=r"no key to sign|no tokens"):
            await run(house, "create", ServiceAccount, "default", "token", TokenRequest())


async def test_patches_change_objects_which_are_defaulted_again(house: House, localhost: Certificate) -> None:
    container = {"op": "add", "path": "/spec/containers/-", "value": {"name": "side", "image": "side:1"}}
    async with hooked(house, patching(container), localhost, MUTATING, rules=[rule("pods")]):
        made = await house.client.create(pod("a"))
    assert [each.name for each in made.spec.containers][-1] == "side"
    assert (made.spec.containers[-1].imagePullPolicy, made.spec.containers[-1].terminationMessagePath) == (
        "IfNotPresent",
        "/dev/termination-log",
    )


async def test_webhooks_are_asked_in_the_order_of_their_configurations(house: House, localhost: Certificate) -> None:
    def appending(name: str) -> Answer:
        def answer(review: Review) -> Review:
            before = review["request"]["object"].get("data", {}).get("seen", "")
            return patching({"op": "add", "path": "/data", "value": {"seen": before + name}})(review)

        return answer

    async with (
        hooked(house, appending("b"), localhost, MUTATING, "b"),
        hooked(house, appending("a"), localhost, MUTATING, "a"),
        hooked(house, appending("c"), localhost, MUTATING, "c"),
    ):
        assert (await house.client.create(config("x"))).data == {"seen": "abc"}


@pytest.mark.parametrize(("policy", "asked"), [("Never", 1), ("IfNeeded", 2)])
async def test_a_webhook_is_asked_again_when_a_later_one_changed_the_object(
    house: House, localhost: Certificate, policy: str, asked: int
) -> None:
    change = patching({"op": "add", "path": "/data", "value": {"late": "yes"}})
    async with (
        hooked(house, allow, localhost, MUTATING, "early", reinvocationPolicy=policy) as early,
        hooked(house, change, localhost, MUTATING, "late", reinvocationPolicy=policy) as late,
    ):
        await house.client.create(config("x"))
    assert (len(early.reviews), len(late.reviews)) == (asked, 1)
    assert early.reviews[-1]["request"]["object"].get("data", {}) == ({"late": "yes"} if asked == 2 else {})


DENIED = 'admission webhook "test.example.com" denied the request'


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        pytest.param({}, 400, f"{DENIED} without explanation", id="nothing said"),
        pytest.param({"message": "no", "code": 403, "reason": "Forbidden"}, 403, f"{DENIED}: no", id="forbidden"),
        pytest.param({"message": "pay", "code": 402}, 402, f"{DENIED}: pay", id="its own code"),
    ],
)
async def test_a_refusal(house: House, localhost: Certificate, kind: type[Any], status: dict[str, Any], code: int, message: str) -> None:
    async with hooked(house, denying(**status), localhost, kind), refused(code, message):
        await house.client.create(config("x"))
    assert (await house.page(ConfigMap, "default")).entries == []


FAILING: list[Any] = [
    pytest.param(lambda review: web.Response(status=500, text="broken"), 'an error on the server ("broken") has prevented', id="500"),
    pytest.param(
        lambda review: response(review, uid="other"), "received invalid webhook response: expected response.uid=", id="another uid"
    ),
    pytest.param(lambda review: response(review, "v2"), "failed to call webhook: no kind ", id="an unknown version"),
    pytest.param(lambda review: [], "couldn't get version/kind; json parse error: json: cannot unmarshal array", id="no review"),
    pytest.param(lambda review: asyncio.sleep(60), "context deadline exceeded", id="too slow"),
]


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
@pytest.mark.parametrize(("answer", "complaint"), FAILING)
async def test_a_webhook_that_cannot_be_asked(
    house: House, localhost: Certificate, kind: type[Any], answer: Answer, complaint: str
) -> None:
    async with hooked(house, answer, localhost, kind, timeoutSeconds=1) as server:
        async with refused(500, complaint) as _:
            await house.client.create(config("x"))
        configuration = await house.client.get(kind, "test")
        changed = orjson.dumps({"webhooks": [{**orjson.loads(_json(configuration.webhooks[0])), "failurePolicy": "Ignore"}]})
        await house.registry.execute(Call("patch", resource_of(kind), "", "test", "", changed, MERGE_PATCH), ADMIN)
        await house.client.create(config("x"))
        assert len(server.reviews) == 2


def _json(obj: Any) -> bytes:
    from pilothouse.machinery import codec

    return codec.encode(obj)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        pytest.param(
            patching({"op": "remove", "path": "/data/absent"}),
            'Internal error occurred: remove operation does not apply: doc is missing path: "/data/absent": missing value',
            id="an operation that does not apply",
        ),
        pytest.param(
            patching({"op": "add", "path": "/data", "value": 5}), "json: cannot unmarshal number into Go struct field", id="another type"
        ),
        pytest.param(patching({"op": "replace", "path": "/kind", "value": "Secret"}), 'no kind "Secret" is registered', id="another kind"),
        pytest.param(
            lambda review: response(review, patch=base64.b64encode(b"{}").decode(), patchType="JSONPatch"),
            'failed calling webhook "test.example.com": received undecodable patch in webhook response: json: cannot unmarshal object',
            id="no patch",
        ),
        pytest.param(
            lambda review: response(review, patch=base64.b64encode(b"[{}]").decode(), patchType="Other"),
            'failed calling webhook "test.example.com": unsupported patch type "Other"',
            id="an unknown type of patch",
        ),
    ],
)
async def test_a_patch_that_cannot_be_carried_out(house: House, localhost: Certificate, answer: Answer, complaint: str) -> None:
    async with hooked(house, answer, localhost, MUTATING), refused(500, complaint):
        await house.client.create(config("x"))


async def test_a_delete_cannot_be_changed(house: House, localhost: Certificate) -> None:
    await house.client.create(config("x"))
    async with (
        hooked(house, patching({"op": "remove", "path": "/a"}), localhost, MUTATING, rules=[rule(operations="DELETE")]),
        refused(500, 'admission webhook "test.example.com" attempted to modify the object, which is not supported for this operation'),
    ):
        await house.client.delete(ConfigMap, "x", "default")


async def test_v1beta1_is_spoken_where_nothing_else_is_understood(house: House, localhost: Certificate) -> None:
    async with hooked(
        house, lambda review: response(review, "v1beta1"), localhost, VALIDATING, admissionReviewVersions=["v7", "v1beta1", "v1"]
    ) as server:
        await house.client.create(config("x"))
    assert server.reviews[0]["apiVersion"] == "admission.k8s.io/v1beta1"


async def test_notes_go_back_with_the_request(house: House, localhost: Certificate) -> None:
    warnings: list[str] = []
    answer = lambda review: response(review, warnings=["mind the gap"], auditAnnotations={"seen": "yes"})  # noqa: E731
    async with hooked(house, answer, localhost, VALIDATING):
        await house.registry.execute(Call("create", resource_of(ConfigMap), "default", "", "", config("x")), ADMIN, warnings=warnings)
    assert warnings == ["mind the gap"]


async def test_a_configuration_acts_at_once_and_not_after_it_is_gone(house: House, localhost: Certificate) -> None:
    async with serving_webhook(denying(message="no"), localhost) as server:
        await house.client.create(config("before"))
        await configure(house, VALIDATING, server.url, server.bundle)
        async with refused(400, "denied"):
            await house.client.create(config("while"))
        await house.client.delete(VALIDATING, "test")
        await house.client.create(config("after"))
    assert len(server.reviews) == 1


async def test_webhooks_are_never_asked_about_what_configures_them(house: House, localhost: Certificate) -> None:
    async with hooked(house, denying(message="no"), localhost, VALIDATING, rules=[rule("*/*", "*", "*")], failurePolicy="Fail"):
        async with refused(400, "denied"):
            await house.client.create(config("x"))
        await configure(house, MUTATING, "https://localhost:1", "", "other")
        await house.client.delete(MUTATING, "other")
        await house.client.delete(VALIDATING, "test")


async def test_validating_webhooks_are_asked_at_once(house: House, localhost: Certificate) -> None:
    arrived, both = [0], asyncio.Event()

    async def answer(review: Review) -> Review:
        arrived[0] += 1
        if arrived[0] == 2:
            both.set()
        await both.wait()
        return response(review)

    async with hooked(house, answer, localhost, VALIDATING, "a"), hooked(house, answer, localhost, VALIDATING, "b"):
        await house.client.create(config("x"))


async def test_nobody_waits_for_a_slow_webhook_but_its_request(house: House, localhost: Certificate) -> None:
    gate = asyncio.Event()

    async def answer(review: Review) -> Review:
        await gate.wait()
        return response(review)

    selector = LabelSelector(matchLabels={"slow": "yes"})
    async with hooked(house, answer, localhost, VALIDATING, objectSelector=selector), asyncio.TaskGroup() as group:
        slow = group.create_task(house.client.create(config("slow", labels={"slow": "yes"})))
        await house.client.create(config("quick"))
        await house.client.get(ConfigMap, "quick", "default")
        assert not slow.done()
        gate.set()


async def test_an_equivalent_version_is_converted(house: House, localhost: Certificate) -> None:
    target = CrossVersionObjectReference(kind="Deployment", name="a", apiVersion="apps/v1")
    scaler = HorizontalPodAutoscaler(metadata=META, spec=HorizontalPodAutoscalerSpec(scaleTargetRef=target, maxReplicas=3))
    change = patching({"op": "replace", "path": "/spec/maxReplicas", "value": 4})
    async with hooked(house, change, localhost, MUTATING, rules=[rule("horizontalpodautoscalers", "autoscaling", "v1")]) as server:
        made = await house.client.create(scaler)
    request = server.reviews[0]["request"]
    assert (request["kind"]["version"], request["requestKind"]["version"], request["object"]["apiVersion"]) == (
        "v1",
        "v2",
        "autoscaling/v1",
    )
    assert (made.apiVersion, made.spec.maxReplicas) == ("autoscaling/v2", 4)


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        pytest.param({"namespaceSelector": LabelSelector(matchLabels={"env": "production"})}, ["shop"], id="namespaces"),
        pytest.param({"objectSelector": LabelSelector(matchLabels={"in": "default"})}, ["default"], id="objects"),
        pytest.param({"rules": [rule(operations="DELETE")]}, [], id="operations"),
        pytest.param({"rules": [rule("secrets")]}, [], id="resources"),
    ],
)
async def test_selectors_choose(house: House, localhost: Certificate, said: dict[str, Any], asked: list[str]) -> None:
    async with hooked(house, allow, localhost, VALIDATING, **said) as server:
        for namespace in ("default", "shop"):
            await house.client.create(ConfigMap(metadata=ObjectMeta(name="x", namespace=namespace, labels={"in": namespace})))
    assert [review["request"]["namespace"] for review in server.reviews] == asked


async def test_two_hundred_writers_beside_a_webhook_that_comes_and_goes(house: House, localhost: Certificate) -> None:
    flips = [0]

    def answer(review: Review) -> Any:
        flips[0] += 1
        return response(review) if flips[0] % 3 else web.Response(status=503)

    async def write(index: int) -> str:
        try:
            await house.client.create(config(f"c{index}"))
        except StatusError as error:
            return "refused" if "failed calling webhook" in error.status.message else error.status.message
        return "made"

    async with hooked(house, answer, localhost, VALIDATING, timeoutSeconds=30):
        outcomes = await asyncio.gather(*(write(index) for index in range(200)))
    made = outcomes.count("made")
    assert len((await house.page(ConfigMap, "default")).entries) == made
    assert 0 < made < 200
    assert set(outcomes) == {"made", "refused"}


async def test_metrics_count_by_the_name_of_the_webhook(house: House, localhost: Certificate) -> None:
    async with hooked(house, denying(code=403), localhost, VALIDATING), refused(403, "denied"):
        await house.client.create(config("x"))
    metrics = house.registry.store.metrics
    assert metrics.webhook_requests.values == {("test.example.com", "validating", "CREATE", "403", "true"): 1}
    assert metrics.webhook_rejections.values == {("test.example.com", "validating", "CREATE", "no_error", "403"): 1}
    names = {family.name for family in metrics.collect()}
    assert "apiserver_admission_webhook_rejection_count" in names
    assert "apiserver_admission_webhook_admission_duration_seconds" in names


def test_a_webhook_with_side_effects_is_not_asked_about_a_dry_run() -> None:
    from pilothouse.apiserver.admission.webhooks.calling import WebhookFailed, _check_side_effects
    from pilothouse.apiserver.admission.webhooks.configuration import Hook

    def check(effects: str | None) -> None:
        _check_side_effects(Hook("test", ValidatingWebhook(name="a.example.com", sideEffects=effects), 0, 0, "validating"))

    for effects in ("None", "NoneOnDryRun"):
        check(effects)
    with pytest.raises(StatusError, match=r'admission webhook "a\.example\.com" does not support dry run'):
        check("Some")
    with pytest.raises(WebhookFailed, match="Webhook SideEffects is nil"):
        check(None)
