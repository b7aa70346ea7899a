"""Patterns of Go's syntax: verdicts, messages (made with Go 1.26) and time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.machinery import regex

REFUSED = [
    ("[a", "missing closing ]: `[a`"),
    ("(a", "missing closing ): `(a`"),
    ("a)", "unexpected ): `a)`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("a*?{1001}", "invalid repeat count: `{1001}`"),
    ("a{2,1}?", "invalid repeat count: `{2,1}`"),
    ("(a{1000}){1000}", "invalid repeat count: `{1000}`"),
    ("*", "missing argument to repetition operator: `*`"),
    ("\\8", "invalid escape sequence: `\\8`"),
    ("\\C", "invalid escape sequence: `\\C`"),
    ("a\\", "trailing backslash at end of expression: ``"),
    ("[z-a]", "invalid character class range: `z-a`"),
    ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
    ("\\p{Foo}", "invalid character class range: `\\p{Foo}`"),
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    ("(?<=a)", "invalid named capture: `(?<=a)`"),
    ("(?P<é>a)", "invalid named capture: `(?P<é>`"),
    ("(?P<é>(?=", "invalid named capture: `(?P<é>`"),
    (")(?<=", "unexpected ): `)(?<=`"),
]

VERDICTS = [
    ("^a$", "a", True),
    ("^a$", "a\n", False),
    ("b", "abc", True),
    ("^\\d+$", "\u0663", False),
    ("^\\s$", "\v", False),
    ("^é$", "é", True),
    ("\\Q\\C\\E", "\\C", True),
    ("(?i)^ABC$", "abc", True),
    ("^[^a-z]$", "\n", True),
    ("a{,3}", "a{,3}", True),
    ("^\\w+$", "é", False),
    ("^(?<n>a)$", "a", True),
    ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "web-1", True),
    ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "-web", False),
]

FLAT = ["^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "^\\d+(Mi|Gi)$", "^v[0-9]{1,3}$", "^[^a]*$", "^(a)?b+$", "^.{1,5}$", "^\\w\\.x?$"]


@pytest.mark.parametrize(("pattern", "message"), REFUSED)
def test_a_pattern_is_refused_in_the_words_of_go(pattern: str, message: str) -> None:
    assert regex.problem(pattern) == f"error parsing regexp: {message}"


@pytest.mark.parametrize(("pattern", "text", "matches"), VERDICTS)
def test_a_pattern_matches_what_it_matches_in_go(pattern: str, text: str, matches: bool) -> None:
    assert regex.compile(pattern).search(text) is matches


@pytest.mark.parametrize("pattern", FLAT)
@given(text=st.text(alphabet="ab-Mi19.\n é", max_size=12))
def test_both_engines_agree_on_flat_patterns(pattern: str, text: str) -> None:
    compiled = regex.compile(pattern)
    assert compiled.search(text) is (next(iter(compiled.spans(text)), None) is not None)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a*)*$", "^a*a*a*a*a*a*b$", "(.*)(.*)(.*)(.*)x"])
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    started = time.process_time()
    assert not regex.compile(pattern).search("a" * 20_000 + "c")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("pattern", "text", "limit", "matches"),
    [
        ("a*", "baaac", -1, ["", "aaa", ""]),
        ("[0-9]+", "1 22 333", 2, ["1", "22"]),
        ("[0-9]+", "1 22", 0, []),
        ("é", "éaé", -1, ["é", "é"]),
        ("x", "abc", -1, []),
    ],
)
def test_all_matches_are_found_as_go_finds_them(pattern: str, text: str, limit: int, matches: list[str]) -> None:
    assert regex.compile(pattern).find_all(text, limit) == matches
