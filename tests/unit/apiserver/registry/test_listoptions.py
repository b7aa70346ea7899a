"""Which options go together, and what a continue token must be, in upstream's words."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pilothouse.apiserver.registry.continuing import continue_token, parse_token
from pilothouse.apiserver.registry.listoptions import check_list, check_watch, with_watch_defaults
from pilothouse.client.call import Options
from pilothouse.machinery.errors import StatusError

NEEDS_NOT_OLDER = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
NEEDS_INITIAL = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
NEEDS_VERSION = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
NOT_CONTINUED = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"
ONLY_NOT_OLDER = 'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"'
NEWER, EXACT = {"resource_version_match": "NotOlderThan"}, {"resource_version_match": "Exact"}


def problems(check: Any, options: dict[str, Any]) -> list[str]:
    """What a check complains of; nothing when it is content."""
    try:
        check(Options(**options))
    except StatusError as error:
        return [error.status.message.removeprefix('ListOptions.meta.k8s.io "" is invalid: ')]
    return []


def told(expected: list[str]) -> list[str]:
    """Several problems are one text in brackets."""
    return [f"[{', '.join(expected)}]"] if len(expected) > 1 else expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({**EXACT, "resource_version": "5"}, [], id="an exact version"),
        pytest.param({**NEWER, "resource_version": "0"}, [], id="any version"),
        pytest.param(EXACT, [NEEDS_VERSION], id="a match of no version"),
        pytest.param({**NEWER, "continue_": "x"}, [NEEDS_VERSION, NOT_CONTINUED], id="a match of a page"),
        pytest.param(
            {"resource_version_match": "Newest", "resource_version": "1"},
            ['resourceVersionMatch: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""'],
            id="another match",
        ),
        pytest.param(
            {**EXACT, "resource_version": "0"},
            ['resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'],
            id="exactly any",
        ),
        pytest.param(
            {"send_initial_events": False}, ["sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"], id="initial events"
        ),
    ],
)
def test_lists(options: dict[str, Any], expected: list[str]) -> None:
    assert problems(check_list, options) == told(expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"continue_": "x"}, [NOT_CONTINUED], id="a page of no version"),
        pytest.param({"continue_": "x", "resource_version": "5"}, [], id="a page of a version"),
        pytest.param({**NEWER, "send_initial_events": True}, [], id="initial events, without bookmarks"),
        pytest.param({**NEWER, "send_initial_events": False}, [], id="no initial events"),
        pytest.param({"send_initial_events": True}, [NEEDS_NOT_OLDER], id="initial events of no match"),
        pytest.param(NEWER, [NEEDS_INITIAL], id="a match without initial events"),
        pytest.param({**EXACT, "send_initial_events": True}, [NEEDS_NOT_OLDER, ONLY_NOT_OLDER], id="an exact match"),
        pytest.param({**EXACT}, [NEEDS_INITIAL, ONLY_NOT_OLDER], id="an exact match alone"),
        pytest.param({**NEWER, "send_initial_events": True, "continue_": "x"}, [NOT_CONTINUED], id="a page"),
    ],
)
def test_watches(options: dict[str, Any], expected: list[str]) -> None:
    assert problems(lambda given: check_watch(with_watch_defaults(given)), options) == told(expected)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_token_tells_where_to_go_on() -> None:
    assert parse_token(continue_token(7, "default/a\0")) == ("default/a\0", 7)
    assert parse_token(continue_token(-1, "/default/a")) == ("default/a", -1)


@pytest.mark.parametrize(
    ("token", "cause"),
    [
        pytest.param("ab!c", ": illegal base64 data at input byte 2", id="a character that is none"),
        pytest.param("e30=", ": illegal base64 data at input byte 3", id="padding"),
        pytest.param("abcde", ": illegal base64 data at input byte 4", id="a character too many"),
        pytest.param("abc", ": invalid character 'i' looking for beginning of value", id="bytes that are no text"),
        pytest.param(encoded("{"), ": unexpected end of JSON input", id="half of an object"),
        pytest.param(encoded("[]"), ": json: cannot unmarshal array into Go value of type storage.continueToken", id="a list"),
        pytest.param(encoded("{}"), ": server does not recognize this encoded version ", id="no version"),
        pytest.param(encoded('{"v":"v9","rv":1,"start":"a"}'), ": server does not recognize this encoded version v9", id="a version"),
        pytest.param(
            encoded('{"v":"meta.k8s.io/v1","start":"a"}'),
            ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            id="no revision",
        ),
        pytest.param(encoded('{"v":"meta.k8s.io/v1","rv":1}'), ": encoded start key empty (version meta.k8s.io/v1)", id="no place"),
        pytest.param(continue_token(1, "../secrets/a"), ": ../secrets/a", id="a way out"),
        pytest.param(continue_token(1, "a//b"), ": a//b", id="an empty step"),
    ],
)
def test_what_is_no_token(token: str, cause: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_token(token)
    assert (caught.value.code, str(caught.value)) == (400, f"invalid continue token: continue key is not valid{cause}")
