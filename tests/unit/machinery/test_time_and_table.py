"""Times, ages, tables, int-or-strings."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.machinery import intorstring, table, time
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.resource import Resource

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"), (-2, "<invalid>"), (-1.9, "0s"), (-1, "0s"),
        (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600, "10m"), (10799, "179m"),
        (10800, "3h"), (12 * 3600 - 1, "11h"), (3 * 3600 + 60, "3h1m"), (48 * 3600, "2d"), (50 * 3600, "2d2h"), (8 * 86400, "8d"),
        (730 * 86400, "2y"), (731 * 86400, "2y1d"), (3000 * 86400, "8y"),
    ],
)  # fmt: skip
def test_human_duration(seconds: float, shown: str) -> None:
    assert time.human_duration(seconds) == shown


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-06-01T12:00:00Z", NOON),
        ("2025-06-01T14:00:00+02:00", NOON),
        ("2025-06-01T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
        ("2025-06-01T12:00:00,5Z", NOON + timedelta(microseconds=500000)),
        ("2025-06-01T9:00:00-03:00", NOON),
        ("2025-06-02T12:59:59+24:60", NOON - timedelta(seconds=1)),
    ],
)
def test_reads_times(text: str, moment: datetime) -> None:
    assert time.parse(text) == moment


LAYOUT = '" as "2006-01-02T15:04:05Z07:00": cannot parse "'


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", f'parsing time "{LAYOUT}" as "2006"'),
        ("yesterday", f'parsing time "yesterday{LAYOUT}yesterday" as "2006"'),
        ("٢٠", f'parsing time "{"".join(f"{chr(92)}x{one:02x}" for one in "٢٠".encode())}{LAYOUT}{chr(92)}xd9'),
        ("2025-06-01", f'parsing time "2025-06-01{LAYOUT}" as "T"'),
        ("2025-06-01 12:00:00", f'parsing time "2025-06-01 12:00:00{LAYOUT} 12:00:00" as "T"'),
        ("2025-06-01t12:00:00z", f'parsing time "2025-06-01t12:00:00z{LAYOUT}t12:00:00z" as "T"'),
        ("2025-06-01T12:00:00", f'parsing time "2025-06-01T12:00:00{LAYOUT}" as "Z07:00"'),
        ("2025-06-01T12:00:00.Z", f'parsing time "2025-06-01T12:00:00.Z{LAYOUT}.Z" as "Z07:00"'),
        ("2025-06-01T12:00:00Z!", 'parsing time "2025-06-01T12:00:00Z!": extra text: "!"'),
        ("2025-13-01T00:00:00Z", 'parsing time "2025-13-01T00:00:00Z": month out of range'),
        ("2025-02-29T00:00:00Z", 'parsing time "2025-02-29T00:00:00Z": day out of range'),
        ("2025-06-01T24:00:00Z", 'parsing time "2025-06-01T24:00:00Z": hour out of range'),
        ("2025-06-01T12:00:60Z", 'parsing time "2025-06-01T12:00:60Z": second out of range'),
        ("2025-06-01T12:00:00+25:00", 'parsing time "2025-06-01T12:00:00+25:00": time zone offset hour out of range'),
        ("2025-06-01T12:00:00-01:61", 'parsing time "2025-06-01T12:00:00-01:61": time zone offset minute out of range'),
    ],
)
def test_what_is_no_time_is_told_in_gos_words(text: str, wrong: str) -> None:
    assert time.parse_error(text).startswith(wrong)


def test_writes_times() -> None:
    moment = NOON + timedelta(microseconds=70)
    assert time.text(moment) == "2025-06-01T12:00:00Z"
    assert time.micro(moment) == "2025-06-01T12:00:00.000070Z"


@pytest.mark.parametrize(("text", "seconds"), [("1h30m", 5400), ("1.5s", 1.5), ("-2ms", -0.002), ("0", 0), ("100us", 0.0001)])
def test_reads_go_durations(text: str, seconds: float) -> None:
    assert time.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "invalid duration"), ("s", "invalid duration"), ("+", "invalid duration"), (".s", "invalid duration"),
        ("3000000h", "invalid duration"), ("5", "missing unit in duration"), ("1.2.3s", "missing unit in duration"),
        ("1h1d", 'unknown unit "d" in duration'), ("5 s", 'unknown unit " s" in duration'),
    ],
)  # fmt: skip
def test_refuses_other_durations(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(f'time: {wrong} "{text}"') + "$"):
        time.duration(text)


def test_a_table_of_a_kind_without_columns_shows_name_and_age() -> None:
    config = ConfigMap(metadata=ObjectMeta(name="a", creationTimestamp=time.text(NOON - timedelta(minutes=5))))
    made = table.table(Resource(ConfigMap, "configmaps"), [config], NOON)
    assert [one["name"] for one in made["columnDefinitions"]] == ["Name", "Age"]
    assert made["rows"][0]["cells"] == ["a", "5m"]
    assert made["rows"][0]["object"]["metadata"] is config.metadata
    assert table.table(Resource(ConfigMap, "configmaps"), [config], NOON, "None")["rows"][0]["object"] is None


@pytest.mark.parametrize(
    ("value", "round_up", "result"), [(3, True, 3), ("25%", True, 1), ("25%", False, 0), ("100%", False, 3), ("34%", True, 2)]
)
def test_int_or_string(value: int | str, round_up: bool, result: int) -> None:
    assert intorstring.scaled(value, 3, round_up) == result


def test_text_that_is_no_percentage() -> None:
    with pytest.raises(ValueError, match="invalid type: string is not a percentage"):
        intorstring.scaled("abc", 3, True)


def test_the_time_now_is_that_of_the_clock_wherever_it_goes() -> None:
    class At:
        moment = NOON

        def now(self) -> datetime:
            return self.moment

    clock = At()
    for step in (0.0, 0.5, 0.499999, 0.000001, 1.0, -1.0, -86400.0, 0.25):
        clock.moment += timedelta(seconds=step)
        assert time.now_text(clock) == time.text(clock.moment)  # type: ignore[arg-type]
