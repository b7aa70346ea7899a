"""Criteria: versions of a resource, selectors, and what is known of a request without asking again."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.catalogue import built_in
from pilothouse.api.types.admissionregistration_v1 import NamedRuleWithOperations, RuleWithOperations, ValidatingWebhook
from pilothouse.api.types.core_v1 import Namespace, Pod
from pilothouse.apiserver.admission.matching import criteria as matching
from pilothouse.apiserver.admission.matching.criteria import Criteria
from pilothouse.apiserver.admission.matching.index import Index
from pilothouse.apiserver.admission.matching.versions import Version
from pilothouse.apiserver.admission.plugin import AdmissionRequest
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.registry.store import stored
from pilothouse.client.call import Options
from pilothouse.machinery import labels
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta
from pilothouse.machinery.resource import Resource

CATALOGUE = built_in()
PRODUCTION = labels.match_labels({"env": "production"})
PODS = RuleWithOperations(["*"], [""], ["v1"], ["pods"], "*")


class World:
    """What criteria ask of the cluster."""

    catalogue = CATALOGUE

    def __init__(self, *namespaces: Namespace) -> None:
        self.namespaces = {each.metadata.name: each for each in namespaces}

    async def get(self, kind: type[Any], name: str, namespace: str = "") -> Any:
        return self.namespaces.get(name)


def labelled(kind: Any, name: str, **said: str) -> Any:
    return kind(metadata=ObjectMeta(name=name, labels=said))


def request(
    what: str, operation: str = "CREATE", obj: Any = None, old: Any = None, namespace: str = "shop", name: str = "a"
) -> AdmissionRequest:
    group, version, path = what.split("/", 2)
    plural, _, subresource = path.partition("/")
    served = CATALOGUE.by_plural("" if group == "core" else group, version, plural)
    assert served is not None
    exchanged: Resource[Any] = served
    declared = served.subresources.get(subresource)
    if declared is not None and declared.kind is not None:
        exchanged = Resource(type("Body", (), {"GVK": declared.kind}), plural="bodies")
    return AdmissionRequest(operation, stored(served), subresource, namespace, name, obj, old, ADMIN, Options(), served, exchanged)


def shown(version: Version | None) -> str:
    return "" if version is None else f"{version.resource.api_version}/{version.resource.plural} {version.kind[2]}"


def selecting(resources: str, group: str, version: str, policy: str = "Equivalent") -> Criteria:
    return Criteria((RuleWithOperations(["*"], [group], [version], [resources], "*"),), match_policy=policy)


@pytest.mark.parametrize(
    ("criteria", "asked", "expected"),
    [
        pytest.param(
            selecting("horizontalpodautoscalers", "autoscaling", "v1"),
            "autoscaling/v2/horizontalpodautoscalers",
            "autoscaling/v1/horizontalpodautoscalers HorizontalPodAutoscaler",
            id="another version of the resource",
        ),
        pytest.param(
            selecting("horizontalpodautoscalers", "autoscaling", "v1", "Exact"), "autoscaling/v2/horizontalpodautoscalers", "", id="exact"
        ),
        pytest.param(
            selecting("horizontalpodautoscalers", "autoscaling", "*"),
            "autoscaling/v1/horizontalpodautoscalers",
            "autoscaling/v1/horizontalpodautoscalers HorizontalPodAutoscaler",
            id="its own version first",
        ),
        pytest.param(selecting("events", "", "v1"), "events.k8s.io/v1/events", "v1/events Event", id="another group that shares the store"),
        pytest.param(selecting("deployments", "extensions", "v1beta1"), "apps/v1/deployments", "", id="a version that is not served"),
        pytest.param(
            selecting("deployments/scale", "apps", "v1"),
            "apps/v1/deployments/scale",
            "apps/v1/deployments Scale",
            id="kind of a subresource",
        ),
        pytest.param(Criteria(is_open=True), "core/v1/pods", "v1/pods Pod", id="a policy without rules is about everything"),
        pytest.param(Criteria(), "core/v1/pods", "", id="a webhook without rules is about nothing"),
        pytest.param(Criteria((PODS,), (PODS,)), "core/v1/pods", "", id="excluded"),
    ],
)
def test_rules_select_a_version(criteria: Criteria, asked: str, expected: str) -> None:
    assert shown(matching.selected(criteria, request(asked), CATALOGUE)) == expected


def named(*names: str) -> NamedRuleWithOperations:
    return NamedRuleWithOperations([*names], ["*"], [""], ["v1"], ["pods"], "*")


@pytest.mark.parametrize(
    ("criteria", "name", "expected"),
    [
        pytest.param(Criteria((named("a", "b"),)), "a", True, id="named"),
        pytest.param(Criteria((named("b"),)), "a", False, id="not named"),
        pytest.param(
            Criteria(
                (named("b"), named()),
            ),
            "a",
            True,
            id="a rule without names",
        ),
        pytest.param(Criteria((named("b"),)), "", False, id="a name that is to be generated"),
        pytest.param(Criteria((named(),), (named("a"),)), "a", False, id="excluded by name"),
        pytest.param(Criteria((named(),), (named("b"),)), "a", True, id="another is excluded"),
    ],
)
async def test_rules_may_name_objects(criteria: Criteria, name: str, expected: bool) -> None:
    index = Index([("owner", criteria)], CATALOGUE)
    for _ in range(2):  # from the second time on out of what is known
        candidates = index.candidates(request("core/v1/pods", name="other"))
        found = [await candidate.match(request("core/v1/pods", name=name), World()) for candidate in candidates]
        assert bool([each for each in found if each]) is expected


CHOSEN_NEW = labelled(Namespace, "new", env="production")
SHOP, TEST = labelled(Namespace, "shop", env="production"), labelled(Namespace, "test", env="test")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(request("core/v1/pods", namespace="shop"), True, id="in a chosen namespace"),
        pytest.param(request("core/v1/pods", namespace="test"), False, id="in another namespace"),
        pytest.param(request("core/v1/nodes", namespace=""), True, id="in no namespace"),
        pytest.param(request("core/v1/namespaces", "CREATE", CHOSEN_NEW, namespace="new"), True, id="new"),
        pytest.param(request("core/v1/namespaces", "CREATE", labelled(Namespace, "new"), namespace="new"), False, id="new, not chosen"),
        pytest.param(
            request("core/v1/namespaces", "UPDATE", labelled(Namespace, "test", env="production"), TEST, namespace="test"),
            True,
            id="a namespace that is to be chosen",
        ),
        pytest.param(
            request("core/v1/namespaces", "UPDATE", labelled(Namespace, "shop"), SHOP, namespace="shop"),
            False,
            id="no longer",
        ),
        pytest.param(request("core/v1/namespaces", "DELETE", None, SHOP, namespace="shop"), True, id="a chosen namespace goes"),
        pytest.param(
            request("core/v1/namespaces/status", "UPDATE", labelled(Namespace, "shop"), SHOP, namespace="shop"), True, id="its status"
        ),
    ],
)
async def test_a_namespace_selector_chooses(asked: AdmissionRequest, expected: bool) -> None:
    criteria = Criteria(is_open=True, namespace_selector=PRODUCTION)
    assert await matching.is_chosen(criteria, asked, World(SHOP, TEST)) is expected


async def test_a_namespace_that_is_not_there_is_an_error_only_for_what_the_rules_select() -> None:
    criteria = Criteria((PODS,), namespace_selector=PRODUCTION)
    with pytest.raises(StatusError, match='namespaces "gone" not found'):
        await matching.match(criteria, request("core/v1/pods", namespace="gone"), World())
    assert await matching.match(criteria, request("core/v1/services", namespace="gone"), World()) is None


CHOSEN, OTHER = labelled(Pod, "a", env="production"), labelled(Pod, "a", env="test")


@pytest.mark.parametrize(
    ("obj", "old", "expected"),
    [
        pytest.param(CHOSEN, None, True, id="new"),
        pytest.param(OTHER, None, False, id="new, not chosen"),
        pytest.param(OTHER, CHOSEN, True, id="was chosen"),
        pytest.param(CHOSEN, OTHER, True, id="is to be chosen"),
        pytest.param(OTHER, OTHER, False, id="never"),
        pytest.param(None, CHOSEN, True, id="goes"),
        pytest.param(object(), None, False, id="without metadata"),
    ],
)
async def test_an_object_selector_looks_at_the_object_and_at_what_it_was(obj: Any, old: Any, expected: bool) -> None:
    criteria = Criteria(is_open=True, object_selector=PRODUCTION)
    assert await matching.is_chosen(criteria, request("core/v1/pods", "UPDATE", obj, old), World()) is expected


def test_an_index_finds_what_is_about_a_request_and_follows_the_catalogue() -> None:
    catalogue = built_in()
    webhook = ValidatingWebhook(name="a.example.com", rules=[PODS], matchPolicy="Equivalent", namespaceSelector=LabelSelector())
    index = Index([(webhook, matching.of_webhook(webhook))], catalogue)
    asked = request("core/v1/pods")
    assert [each.owner for each in index.candidates(asked)] == [webhook]
    assert index.candidates(asked) is index.candidates(asked)
    assert not index.candidates(request("core/v1/services"))
    known = index.candidates(asked)
    catalogue.remove(next(catalogue.stored()))
    assert index.candidates(asked) is not known


def test_what_configures_admission_has_no_candidates() -> None:
    index = Index([("owner", Criteria(is_open=True))], CATALOGUE)
    assert not index.candidates(request("admissionregistration.k8s.io/v1/validatingwebhookconfigurations", namespace=""))
    assert index.candidates(request("core/v1/nodes", namespace=""))
