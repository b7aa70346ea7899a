"""Formats of OpenAPI strings: what is read, and what is said of what is not, as upstream's strfmt and Go's packages have it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pilothouse.machinery import strfmt

DAY = 86_400 * strfmt.SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("1h", 3600), ("1h30m", 5400), ("-5s", -5), ("1.5h", 5400), ("0", 0), ("+3s", 3), ("100ms", 0.1)),
        *(("2 days", 172800), ("1d", 86400), ("1w", 604800), ("3 wk", 1814400), ("1 Day 2 HOURS", 93600), ("1 d2h", 93600)),
        *(("5 minutes 3 sec", 303), ("1 second", 1), ("3 s", 3), ("1 m", 60), ("5 mins", 300), ("1 hr", 3600)),
    ],
)
def test_a_duration_is_gos_or_scalas(text: str, seconds: float) -> None:
    assert strfmt.parse_duration(text) == seconds * strfmt.SECOND


@pytest.mark.parametrize("text", ["", "x", "5", "5 foo", "1" * 1_000_000], ids=lambda text: text[:9])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="as duration"):
        strfmt.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds", "offset"),
    [
        ("1970-01-02T00:00:00Z", DAY, 0),
        ("1970-01-01T00:00:00.5Z", 500_000_000, 0),
        ("1970-01-01T00:00:00.1234567891Z", 123_456_789, 0),
        ("1970-01-01T01:30:00+01:30", 0, 5400),
        ("1969-12-31T23:30:00-00:30", 0, -1800),
        ("1970-01-01T00:00:00", 0, 0),
        ("1970-01-01T1:00:00Z", 3600 * strfmt.SECOND, 0),
        ("1970-01-01T00:00:00,25Z", 250_000_000, 0),
        ("2020-02-29T00:00:00Z", 18321 * DAY, 0),
        ("0000-01-01T00:00:00Z", -719528 * DAY, 0),
        ("9999-12-31T00:00:00Z", 2932896 * DAY, 0),
        ("", 0, 0),
    ],
)
def test_a_time_is_read_by_any_of_upstreams_layouts(text: str, nanoseconds: int, offset: int) -> None:
    assert strfmt.parse_date_time(text) == (nanoseconds, offset)


LAYOUT = '"2006-01-02T15:04:05"'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x", f'parsing time "x" as {LAYOUT}: cannot parse "x" as "2006"'),
        ("2020-01-01", f'parsing time "2020-01-01" as {LAYOUT}: cannot parse "" as "T"'),
        ("2020-01-01t00:00:00Z", f'parsing time "2020-01-01t00:00:00Z" as {LAYOUT}: cannot parse "t00:00:00Z" as "T"'),
        ("2020-13-01T00:00:00Z", 'parsing time "2020-13-01T00:00:00Z": month out of range'),
        ("2020-01-01T24:00:00Z", 'parsing time "2020-01-01T24:00:00Z": hour out of range'),
        ("2020-01-01T00:60:00Z", 'parsing time "2020-01-01T00:60:00Z": minute out of range'),
        ("2020-01-01T00:00:60Z", 'parsing time "2020-01-01T00:00:60Z": second out of range'),
        ("2020-02-30T00:00:00", 'parsing time "2020-02-30T00:00:00": day out of range'),
        ("2020-02-30T00:00:00Z", 'parsing time "2020-02-30T00:00:00Z": extra text: "Z"'),
        ("2020-01-01T00:00:00Zé", 'parsing time "2020-01-01T00:00:00Z\\xc3\\xa9": extra text: "Z\\xc3\\xa9"'),
    ],
)
def test_what_is_no_time_is_said_in_gos_words(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match="parsing") as raised:
        strfmt.parse_date_time(text)
    assert str(raised.value) == fault


@pytest.mark.parametrize(
    ("text", "octets"),
    [("", b""), ("aGk=", b"hi"), ("aGkx", b"hi1"), ("YQ==", b"a"), ("YR==", b"a"), ("a-b_", b"k\xe6\xff"), ("a\r\nGk=\n", b"hi")],
)
def test_octets_are_read_with_the_alphabet_of_urls(text: str, octets: bytes) -> None:
    assert strfmt.parse_base64(text) == octets


@pytest.mark.parametrize(
    ("text", "position"),
    [
        *(("a+b/", 1), ("aGk", 0), ("aGVsbG8", 4), ("aGk==", 4), ("a===", 1), ("====", 0), ("aG k=", 2), ("aGk=x", 4), ("é", 0)),
        *(("YQ=", 3), ("YQ", 0), ("YQ==YQ==", 4), ("Y", 0), ("YQ=a", 2), ("a=bc", 1)),
    ],
)
def test_where_octets_go_wrong_is_told_as_go_does(text: str, position: int) -> None:
    with pytest.raises(ValueError, match=f"illegal base64 data at input byte {position}"):
        strfmt.parse_base64(text)


@pytest.mark.parametrize(
    ("check", "fitting", "wrong"),
    [
        (strfmt.is_date, ("2020-02-29", "0000-01-01"), ("2021-02-29", "2020-1-1", "2020-01-01T00:00:00Z", "")),
        (
            strfmt.is_date_time,
            ("2020-01-01T00:00:00Z", "2020-01-01t00:00:00.5+01:00"),
            ("2020-01-01", "2020-01-01T00:00:60Z", "2020-01-01T00:00:00"),
        ),
        (strfmt.is_uuid, ("123e4567-e89b-12d3-a456-426614174000", "123E4567e89b12d3a456426614174000"), ("", "123e4567", "g" * 32)),
        (strfmt.is_base64, ("aGk=", "a+b/"), ("", "aGk", "a-b_", "aGk=\n")),
    ],
    ids=["date", "date-time", "uuid", "byte"],
)
def test_formats(check: Callable[[str], bool], fitting: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    assert all(map(check, fitting))
    assert not any(map(check, wrong))
