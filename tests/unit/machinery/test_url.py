"""URLs as Go's net/url: parts, the text that they are written as, what is refused in its words."""

from __future__ import annotations

import pytest

from pilothouse.machinery import url


@pytest.mark.parametrize(
    "text",
    [
        *(
            "http://a.b:80/c?d=e#f",
            "/a/b?c",
            "relative/path",
            "//host/path",
            "mailto:joe@x.y",
            "*",
            "http://user:pass@host/",
            "file:///etc",
        ),
        *("http://[::1]:80/", "http://host/a%2Fb", "http:/a", "http://host/a?", "a:b", "./a:b", "http://us%20er@host/"),
    ],
)
def test_a_url_is_written_as_it_was_read(text: str) -> None:
    assert str(url.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://u:p@h:1/a%20b?c=d#e", ("http", "u", "p", "h:1", "h", "1", "/a b", "/a%20b", "c=d", "e")),
        ("HTTP://[fe80::1%25eth0]:2/", ("http", None, None, "[fe80::1%eth0]:2", "fe80::1%eth0", "2", "/", "/", "", "")),
        ("//h/é", ("", None, None, "h", "h", "", "/é", "/%C3%A9", "", "")),
        ("http://h/%ff", ("http", None, None, "h", "h", "", "/\udcff", "/%ff", "", "")),
        ("http://u@h", ("http", "u", None, "h", "h", "", "", "", "", "")),
    ],
)
def test_the_parts_of_a_url(text: str, parts: tuple[str | None, ...]) -> None:
    read = url.parse(text)
    assert parts == (
        *(read.scheme, read.user, read.password, read.host, read.hostname, read.port),
        *(read.path, read.escaped_path, read.raw_query, read.fragment),
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", 'parse "": empty url'),
        ("a", 'parse "a": invalid URI for request'),
        ("http://a:b/", 'parse "http://a:b/": invalid port ":b" after host'),
        ("http://[::1", "parse \"http://[::1\": missing ']' in host"),
        ("http://a b/", 'parse "http://a b/": invalid character " " in host name'),
        ("http://a/%zz", 'parse "http://a/%zz": invalid URL escape "%zz"'),
        ("http://a/\n", 'parse "http://a/\\n": net/url: invalid control character in URL'),
        (":a", 'parse ":a": missing protocol scheme'),
    ],
)
def test_what_is_no_url_is_said_in_gos_words(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match="parse") as raised:
        url.parse_request_uri(text)
    assert str(raised.value) == fault


def test_a_relative_reference_has_no_colon_in_its_first_part() -> None:
    with pytest.raises(ValueError, match="first path segment in URL cannot contain colon"):
        url.parse("1a:b")


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("a=1&a=2&b", {"a": ["1", "2"], "b": [""]}),
        ("a=%20+b", {"a": ["  b"]}),
        ("a;b&c=%zz&&d=1", {"d": ["1"]}),
        ("&".join(["a=1"] * 10001), {}),
    ],
    ids=["several", "escaped", "malformed", "too many"],
)
def test_parameters_of_a_query(query: str, values: dict[str, list[str]]) -> None:
    assert url.parse_query(query) == values
