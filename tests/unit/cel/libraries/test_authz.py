"""The authorizer: what it is asked, what its answers give, and what a question costs."""

from __future__ import annotations

import pytest

from pilothouse.cel.libraries.authz import AUTHORIZER, RESOURCE_CHECK, Attributes, AuthorizerValue, ResourceCheckValue
from tests.unit.cel.libraries.authorizers import Recorder
from tests.unit.cel.libraries.tables import STORED, Row, answer, rows

ENVIRONMENT = STORED.extended({"authorizer": AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK})
ACTIVATION = {
    "authorizer": AuthorizerValue(Recorder(), "alice"),
    "authorizer.requestResource": ResourceCheckValue(Recorder(), Attributes("alice", "", resource="pods", namespace="n")),
}


@pytest.mark.parametrize("row", rows("authz.tsv"))
def test_an_authorizer_is_asked_what_the_expression_says(row: Row) -> None:
    assert answer(row.expression, ENVIRONMENT, ACTIVATION) == row


def test_the_resource_of_the_request_is_a_question_without_its_verb() -> None:
    asked = answer("authorizer.requestResource.check('get').reason()", ENVIRONMENT, ACTIVATION)
    assert asked.result == '"alice|true|get||*|pods||n||"'


def test_selectors_are_handed_on_as_they_were_written() -> None:
    seen: list[Attributes] = []

    class Listening(Recorder):
        def authorize(self, attributes: Attributes):  # type: ignore[no-untyped-def]
            seen.append(attributes)
            return super().authorize(attributes)

    activation = {"authorizer": AuthorizerValue(Listening(), "alice")}
    answer("authorizer.group('').resource('pods').fieldSelector('a=b').labelSelector('c').check('get').allowed()", ENVIRONMENT, activation)
    assert [(question.field_selector, question.label_selector) for question in seen] == [("a=b", "c")]
