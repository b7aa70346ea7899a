"""Match conditions of webhooks: who is asked, and what is said when that cannot be decided."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.admissionregistration_v1 import (
    MatchCondition,
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
)
from tests.unit.apiserver.admission.webhooks.test_webhooks import allow, hooked, house, localhost  # noqa: F401  fixtures
from tests.unit.apiserver.registry.house import House, config, refused
from tests.unit.apiserver.webhooks.servers import Certificate

KINDS = pytest.mark.parametrize("kind", [ValidatingWebhookConfiguration, MutatingWebhookConfiguration])


def conditions(*expressions: str) -> list[MatchCondition]:
    return [MatchCondition(name=f"c{index}", expression=expression) for index, expression in enumerate(expressions)]


@KINDS
@pytest.mark.parametrize(
    ("expressions", "asked"),
    [
        pytest.param(("object.metadata.name == 'a'",), 1, id="true"),
        pytest.param(("object.metadata.name == 'b'",), 0, id="false"),
        pytest.param(("request.operation == 'CREATE'", "request.userInfo.username == 'somebody'"), 0, id="one is false"),
        pytest.param(("object.data.z == '1'", "false"), 0, id="false goes before an error"),
        pytest.param(("authorizer.requestResource.check('create').allowed()",), 1, id="the authorizer"),
        pytest.param(("namespaceObject == null",), 1, id="no namespace is seen"),
    ],
)
async def test_a_webhook_is_asked_when_all_its_conditions_are_true(
    house: House,  # noqa: F811
    localhost: Certificate,  # noqa: F811
    kind: type[Any],
    expressions: tuple[str, ...],
    asked: int,
) -> None:
    async with hooked(house, allow, localhost, kind, matchConditions=conditions(*expressions)) as server:
        await house.client.create(config("a"))
    assert len(server.reviews) == asked


@KINDS
@pytest.mark.parametrize(
    ("policy", "text"), [("Fail", "expression 'object.data.z == '1'' resulted in error: no such key: data"), ("Ignore", "")]
)
async def test_conditions_that_fail_refuse_unless_failures_are_ignored(
    house: House,  # noqa: F811
    localhost: Certificate,  # noqa: F811
    kind: type[Any],
    policy: str,
    text: str,
) -> None:
    said = {"failurePolicy": policy, "matchConditions": conditions("object.data.z == '1'", "true")}
    async with hooked(house, allow, localhost, kind, **said) as server:
        if not text:
            await house.client.create(config("a"))
        else:
            async with refused(403, f'configmaps "a" is forbidden: {text}'):
                await house.client.create(config("a"))
    assert server.reviews == []
    metrics = house.registry.store.metrics
    labels = ("test.example.com", "webhook", "validating" if kind is ValidatingWebhookConfiguration else "admit", "CREATE")
    assert metrics.condition_errors.values == {labels: 1}
    excluded = ("test.example.com", "webhook", "validate" if kind is ValidatingWebhookConfiguration else "admit", "CREATE")
    assert metrics.condition_exclusions.values == ({} if text else {excluded: 1})
    ((measured, (_, _)),) = metrics.condition_seconds.values.items()
    assert measured == labels
