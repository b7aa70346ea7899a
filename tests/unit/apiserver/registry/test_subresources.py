"""Subresources that are answered from the store."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson
import pytest

from pilothouse.api.catalogue import resource_of
from pilothouse.api.types.apps_v1 import Deployment
from pilothouse.api.types.authentication_v1 import SelfSubjectReview, TokenRequest, TokenRequestSpec, UserInfo
from pilothouse.api.types.autoscaling_v1 import Scale
from pilothouse.api.types.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestSpec
from pilothouse.api.types.core_v1 import (
    Binding,
    ConfigMap,
    EphemeralContainer,
    ObjectReference,
    Pod,
    PodCondition,
    ResourceRequirements,
    ServiceAccount,
)
from pilothouse.api.types.flowcontrol_v1 import FlowSchema, FlowSchemaSpec, PriorityLevelConfigurationReference
from pilothouse.api.types.policy_v1 import Eviction, PodDisruptionBudget, PodDisruptionBudgetSpec
from pilothouse.apiserver.auth.user import ADMIN, User
from pilothouse.client.call import MERGE_PATCH, Call, Options
from pilothouse.machinery.codec import clone
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import DeleteOptions, LabelSelector, ObjectMeta, Preconditions
from tests.unit.apiserver.registry.house import House, open_house, pod, refused
from tests.unit.apiserver.registry.test_writing import deployment


def binding(node: str = "n", **metadata: Any) -> Binding:
    return Binding(metadata=ObjectMeta(**metadata), target=ObjectReference(kind="Node", name=node))


async def bind(house: House, name: str, body: Binding) -> Any:
    return await house.client.create_subresource(Pod, name, "default", "binding", body)


async def test_binding_puts_a_pod_on_a_node(house: House) -> None:
    await house.client.create(pod("a"))
    answer = await bind(house, "a", binding(annotations={"why": "room"}))
    assert answer.status == "Success"
    bound = await house.client.get(Pod, "a", "default")
    assert bound.spec.nodeName == "n"
    assert bound.metadata.annotations == {"why": "room"}
    assert [(one.type, one.status) for one in bound.status.conditions] == [("PodScheduled", "True")]


@pytest.mark.parametrize(
    ("first", "second", "code", "message"),
    [
        pytest.param("n", binding("m"), 409, 'pod a is already assigned to node "n"', id="bound already"),
        pytest.param("", binding(uid="other"), 409, "UID in precondition: other", id="another pod of that name"),
        pytest.param("", binding(""), 422, "target.name: Required value", id="no node"),
    ],
)
async def test_binding_refuses(house: House, first: str, second: Binding, code: int, message: str) -> None:
    await house.client.create(pod("a", node=first))
    async with refused(code, message):
        await bind(house, "a", second)


async def test_of_two_schedulers_one_wins(house: House) -> None:
    await house.client.create(pod("a"))
    results = await asyncio.gather(bind(house, "a", binding("n")), bind(house, "a", binding("m")), return_exceptions=True)
    assert sorted(isinstance(one, StatusError) for one in results) == [False, True]


async def test_a_pod_that_ends_is_not_bound(house: House) -> None:
    await house.client.create(pod("a", finalizers=["example.com/one"]))
    await house.client.delete(Pod, "a", "default")
    async with refused(409, "pod a is being deleted, cannot be assigned to a host"):
        await bind(house, "a", binding())


async def test_scale_is_seen_and_changed(house: House) -> None:
    await house.client.create(deployment("web", 2))
    scale: Any = await house.client.get(Deployment, "web", "default", subresource="scale")
    assert (scale.spec.replicas, scale.status.selector) == (2, "app=web")
    after: Any = await house.client.patch(Deployment, "web", "default", b'{"spec":{"replicas":5}}', subresource="scale")
    assert isinstance(after, Scale)
    assert after.spec.replicas == 5
    made = await house.client.get(Deployment, "web", "default")
    assert (made.spec.replicas, made.metadata.generation) == (5, 2)
    assert made.metadata.resourceVersion == after.metadata.resourceVersion


async def test_scale_is_updated_in_its_version_only(house: House) -> None:
    await house.client.create(deployment("web", 2))
    scale: Any = clone(await house.client.get(Deployment, "web", "default", subresource="scale"))
    await house.client.patch(Deployment, "web", "default", b'{"metadata":{"labels":{"a":"b"}}}')
    scale.spec.replicas = 9
    call = Call("update", resource_of(Deployment), "default", "web", "scale", scale)
    async with refused(409, "the object has been modified"):
        await house.registry.execute(call, ADMIN)
    scale.metadata.resourceVersion = ""
    await house.registry.execute(call, ADMIN)
    assert (await house.client.get(Deployment, "web", "default")).spec.replicas == 9


async def test_nobody_scales_below_nothing(house: House) -> None:
    await house.client.create(deployment("web"))
    async with refused(422, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"):
        await house.client.patch(Deployment, "web", "default", b'{"spec":{"replicas":-1}}', subresource="scale")


async def test_a_status_patch_leaves_the_spec(house: House) -> None:
    await house.client.create(pod("a"))
    body = orjson.dumps({"status": {"phase": "Running"}, "spec": {"nodeName": "m"}, "metadata": {"labels": {"a": "b"}}})
    after = await house.client.patch(Pod, "a", "default", body, subresource="status")
    assert (after.status.phase, after.spec.nodeName, after.metadata.labels) == ("Running", "", {"a": "b"})


METADATA = {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["a.b/c"]}


@pytest.mark.parametrize(
    ("kind", "obj", "taken"),
    [
        pytest.param(Pod, pod("a"), {"labels", "annotations", "finalizers"}, id="pods"),
        pytest.param(Deployment, deployment("a"), {"annotations", "finalizers"}, id="deployments keep their labels"),
        pytest.param(
            PodDisruptionBudget,
            PodDisruptionBudget(metadata=ObjectMeta(name="a", namespace="default"), spec=PodDisruptionBudgetSpec(minAvailable=1)),
            {"labels", "annotations", "finalizers"},
            id="budgets",
        ),
        pytest.param(
            FlowSchema,
            FlowSchema(
                metadata=ObjectMeta(name="a"),
                spec=FlowSchemaSpec(priorityLevelConfiguration=PriorityLevelConfigurationReference(name="x"), matchingPrecedence=9),
            ),
            set(),
            id="flow schemas keep all",
        ),
    ],
)
async def test_what_a_status_update_takes_of_the_metadata(house: House, kind: type[Any], obj: Any, taken: set[str]) -> None:
    made = await house.client.create(obj)
    namespace = made.metadata.namespace
    after = await house.client.patch(
        kind, "a", namespace, orjson.dumps({"metadata": METADATA}), patch_type=MERGE_PATCH, subresource="status"
    )
    wanted = {name: METADATA[name] if name in taken else getattr(made.metadata, name) for name in METADATA}
    assert {name: getattr(after.metadata, name) for name in METADATA} == wanted


def request_for_a_certificate() -> CertificateSigningRequest:
    pem = base64.b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n").decode()
    spec = CertificateSigningRequestSpec(request=pem, signerName="example.com/test", usages=["digital signature"])
    return CertificateSigningRequest(metadata=ObjectMeta(name="a"), spec=spec)


async def certified(house: House, conditions: list[dict[str, str]], subresource: str) -> CertificateSigningRequest:
    body = orjson.dumps({"metadata": {"annotations": {subresource: "yes"}}, "status": {"conditions": conditions}})
    return await house.client.patch(CertificateSigningRequest, "a", "", body, patch_type=MERGE_PATCH, subresource=subresource)


PATCHED = {"type": "ApprovalPatch", "status": "True", "reason": "test"}
APPROVED = {"type": "Approved", "status": "True", "reason": "test"}


async def test_conditions_of_any_sort_come_by_approval_and_by_status(house: House) -> None:
    await house.client.create(request_for_a_certificate())
    patched = await certified(house, [PATCHED], "approval")
    assert [one.type for one in patched.status.conditions] == ["ApprovalPatch"]
    assert (patched.metadata.annotations, patched.status.conditions[0].lastUpdateTime) == ({"approval": "yes"}, "2025-01-01T00:00:00Z")
    await certified(house, [PATCHED, APPROVED], "approval")
    await house.clock.advance(60)
    issued = await certified(house, [PATCHED, {**APPROVED, "reason": "other"}, {**PATCHED, "type": "StatusUpdate"}], "status")
    assert [(one.type, one.reason) for one in issued.status.conditions] == [
        ("ApprovalPatch", "test"),
        ("Approved", "test"),  # the approver's word, which is not the signer's to change
        ("StatusUpdate", "test"),
    ]
    assert [one.lastTransitionTime for one in issued.status.conditions] == 2 * ["2025-01-01T00:00:00Z"] + ["2025-01-01T00:01:00Z"]
    assert issued.metadata.annotations == {"approval": "yes", "status": "yes"}


@pytest.mark.parametrize(
    ("conditions", "subresource", "message"),
    [
        pytest.param(
            [], "approval", 'status.conditions: Forbidden: updates may not remove a condition of type "Approved"', id="taken back"
        ),
        pytest.param(
            [], "status", 'status.conditions: Forbidden: updates may not remove a condition of type "Approved"', id="by the signer"
        ),
        pytest.param(
            [APPROVED, {**APPROVED, "type": "Denied"}],
            "status",
            'status.conditions: Forbidden: updates may not add a condition of type "Denied"',
            id="denied by the signer",
        ),
        pytest.param(
            [APPROVED, {**APPROVED, "type": "Denied"}],
            "approval",
            'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
            id="both",
        ),
        pytest.param([APPROVED, APPROVED], "approval", 'status.conditions[1].type: Duplicate value: "Approved"', id="twice"),
        pytest.param(
            [{**APPROVED, "status": "False"}],
            "approval",
            'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
            id="no longer true",
        ),
        pytest.param([APPROVED, {"type": "x"}], "approval", "status.conditions[1].status: Required value", id="without a status"),
    ],
)
async def test_what_is_said_of_a_certificate_request_is_said_for_ever(
    house: House, conditions: list[dict[str, str]], subresource: str, message: str
) -> None:
    await house.client.create(request_for_a_certificate())
    await certified(house, [APPROVED], "approval")
    async with refused(422, message):
        await certified(house, conditions, subresource)


async def test_an_unknown_subresource_is_not_found(house: House) -> None:
    async with refused(404, "the server could not find the requested resource"):
        await house.registry.execute(Call("get", resource_of(ConfigMap), "default", "a", "status"), ADMIN)


def budget(allowed: int, generation: int = 1) -> PodDisruptionBudget:
    made = PodDisruptionBudget(
        metadata=ObjectMeta(name="budget", namespace="default"),
        spec=PodDisruptionBudgetSpec(selector=LabelSelector(matchLabels={"app": "web"})),
    )
    made.status.disruptionsAllowed, made.status.observedGeneration = allowed, generation
    made.status.currentHealthy = made.status.desiredHealthy = 2
    return made


async def with_budget(house: House, allowed: int, generation: int = 1) -> None:
    wanted = budget(allowed, generation)
    made = clone(await house.client.create(wanted))
    made.status = wanted.status
    await house.client.update(made, subresource="status")


async def running_pod(house: House, name: str = "a", ready: bool = True) -> Pod:
    made = clone(await house.client.create(pod(name, node="n", labels={"app": "web"})))
    made.status.phase = "Running"
    made.status.conditions = [PodCondition(type="Ready", status="True" if ready else "False")]
    return await house.client.update(made, subresource="status")


async def evict(house: House, name: str = "a") -> Any:
    eviction = Eviction(metadata=ObjectMeta(name=name, namespace="default"))
    return await house.client.create_subresource(Pod, name, "default", "eviction", eviction)


async def test_eviction_without_a_budget_is_a_delete(house: House) -> None:
    await running_pod(house)
    await evict(house)
    assert (await house.client.get(Pod, "a", "default")).metadata.deletionTimestamp


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param({}, True, id="as it is"),
        pytest.param({"preconditions": "uid"}, True, id="the one that is meant"),
        pytest.param({"preconditions": "revision"}, True, id="in the state that is meant"),
        pytest.param({"dryRun": ["All"]}, False, id="a dry run"),
    ],
)
async def test_a_pod_that_is_evicted_says_so(house: House, options: dict[str, Any], told: bool) -> None:
    meta = (await running_pod(house)).metadata
    means = {"uid": Preconditions(uid=meta.uid), "revision": Preconditions(resourceVersion=meta.resourceVersion)}
    wished = DeleteOptions(preconditions=means.get(options.get("preconditions", "")), dryRun=options.get("dryRun", []))
    eviction = Eviction(metadata=ObjectMeta(name="a", namespace="default"), deleteOptions=wished)
    await house.client.create_subresource(Pod, "a", "default", "eviction", eviction)
    pod = await house.client.get(Pod, "a", "default")
    found = [(one.status, one.reason, one.message) for one in pod.status.conditions if one.type == "DisruptionTarget"]
    assert found == ([("True", "EvictionByEvictionAPI", "Eviction API: evicting")] if told else [])
    assert bool(pod.metadata.deletionTimestamp) is told


async def test_an_eviction_of_another_pod_of_that_name_changes_nothing(house: House) -> None:
    await running_pod(house)
    wished = DeleteOptions(preconditions=Preconditions(uid="another"))
    with pytest.raises(StatusError, match="the UID in the precondition"):
        await house.client.create_subresource(
            Pod, "a", "default", "eviction", Eviction(metadata=ObjectMeta(name="a", namespace="default"), deleteOptions=wished)
        )
    assert not [one for one in (await house.client.get(Pod, "a", "default")).status.conditions if one.type == "DisruptionTarget"]


async def test_eviction_spends_the_budget(house: House) -> None:
    await with_budget(house, 1)
    await running_pod(house, "a")
    await running_pod(house, "b")
    await evict(house, "a")
    spent = await house.client.get(PodDisruptionBudget, "budget", "default")
    assert spent.status.disruptionsAllowed == 0
    assert list(spent.status.disruptedPods) == ["a"]
    assert [(one.type, one.status, one.reason) for one in spent.status.conditions] == [("DisruptionAllowed", "False", "InsufficientPods")]
    async with refused(429, "Cannot evict pod as it would violate the pod's disruption budget."):
        await evict(house, "b")


async def test_a_budget_without_requirements_is_for_every_pod(house: House) -> None:
    wanted = budget(0)
    wanted.spec.selector = LabelSelector()
    made = clone(await house.client.create(wanted))
    made.status = wanted.status
    await house.client.update(made, subresource="status")
    await running_pod(house)
    async with refused(429, "Cannot evict pod as it would violate the pod's disruption budget."):
        await evict(house)


async def test_eviction_waits_for_a_budget_that_is_not_counted_yet(house: House) -> None:
    await with_budget(house, 1, generation=0)
    await running_pod(house)
    with pytest.raises(StatusError) as raised:
        await evict(house)
    assert raised.value.status.details is not None
    assert "still being processed" in raised.value.status.details.causes[0].message
    assert raised.value.status.details.retryAfterSeconds == 10


async def test_what_is_not_ready_goes_while_the_budget_holds(house: House) -> None:
    await with_budget(house, 0)
    await running_pod(house, ready=False)
    await evict(house)
    assert (await house.client.get(Pod, "a", "default")).metadata.deletionTimestamp


async def test_tokens_come_from_the_issuer() -> None:
    async def issue(account: ServiceAccount, wanted: TokenRequest, user: User) -> TokenRequest:
        wanted.status.token = f"for {account.metadata.name}"
        return wanted

    async with open_house(token_issuer=issue) as house:
        request = TokenRequest(spec=TokenRequestSpec(audiences=["me"]))
        answer = await house.client.create_subresource(ServiceAccount, "default", "default", "token", request)
        assert answer.status.token == "for default"
        async with refused(404, 'serviceaccounts "nobody" not found'):
            await house.client.create_subresource(ServiceAccount, "nobody", "default", "token", clone(request))


async def test_ephemeral_containers_are_added_and_stay(house: House) -> None:
    made = clone(await house.client.create(pod("a", node="n")))
    made.spec.ephemeralContainers = [EphemeralContainer(name="look", image="busybox")]
    after = clone(await house.client.update(made, subresource="ephemeralcontainers"))
    assert [one.name for one in after.spec.ephemeralContainers] == ["look"]
    assert after.spec.ephemeralContainers[0].imagePullPolicy == "Always"
    after.spec.ephemeralContainers = []
    async with refused(422, 'existing ephemeral containers "look" may not be removed'):
        await house.client.update(after, subresource="ephemeralcontainers")
    after.metadata.labels["x"] = "y"
    assert [one.name for one in (await house.client.update(after)).spec.ephemeralContainers] == ["look"]


async def test_ephemeral_containers_come_by_a_strategic_patch(house: House) -> None:
    await house.client.create(pod("a", node="n"))
    body = b'{"spec":{"ephemeralContainers":[{"name":"look","image":"busybox:1"}]}}'
    options = Options()
    after = await house.client.patch(
        Pod,
        "a",
        "default",
        body,
        patch_type="application/strategic-merge-patch+json",
        subresource="ephemeralcontainers",
        options=options,
    )
    assert after.spec.ephemeralContainers[0].imagePullPolicy == "IfNotPresent"


async def test_resize_changes_resources_and_nothing_else(house: House) -> None:
    wanted = pod("a", node="n")
    wanted.spec.containers[0].resources = ResourceRequirements(requests={"cpu": "100m"}, limits={"cpu": "200m"})
    made = clone(await house.client.create(wanted))
    made.spec.containers[0].resources = ResourceRequirements(requests={"cpu": "150m"}, limits={"cpu": "300m"})
    made.spec.containers[0].image = "other"
    after = await house.client.update(made, subresource="resize")
    assert after.spec.containers[0].resources.requests == {"cpu": "150m"}
    assert after.spec.containers[0].image == "image:1"


async def test_a_review_is_answered_and_not_stored() -> None:
    async def review(body: SelfSubjectReview, user: User) -> SelfSubjectReview:
        body.status.userInfo = UserInfo(username=user.name)
        return body

    async with open_house(reviews={("authentication.k8s.io", "SelfSubjectReview"): review}) as house:
        before = await house.storage.revision()
        answer = await house.client.create(SelfSubjectReview())
        assert answer.status.userInfo is not None
        assert answer.status.userInfo.username == ADMIN.name
        assert await house.storage.revision() == before
