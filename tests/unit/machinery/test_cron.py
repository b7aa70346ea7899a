"""Schedules, as robfig/cron v3 reads them."""

from __future__ import annotations

import pytest

from pilothouse.machinery import cron, time


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        pytest.param("* * * * *", "", "2025-01-01T00:00:30Z", "2025-01-01T00:01:00Z", id="each minute"),
        pytest.param("*/15 9-17 * * mon-fri", "", "2025-01-03T17:50:00Z", "2025-01-06T09:00:00Z", id="steps, ranges, names"),
        pytest.param("0 0 */2 * mon", "", "2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z", id="a star with a step is none: either day"),
        pytest.param("0 0 */1 * mon", "", "2025-01-01T00:00:00Z", "2025-01-06T00:00:00Z", id="a step of one keeps the star: both days"),
        pytest.param("0 0 5,* * mon", "", "2025-01-01T00:00:00Z", "2025-01-06T00:00:00Z", id="a star in a list is one: both days"),
        pytest.param("0 0 1-31 * mon", "", "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z", id="every day without a star: either day"),
        pytest.param("0 0 *-5 * mon", "", "2025-01-01T00:00:00Z", "2025-01-06T00:00:00Z", id="what follows a star is ignored"),
        pytest.param("50/5 * * * *", "", "2025-01-01T00:00:00Z", "2025-01-01T00:50:00Z", id="a number with a step goes on to the last"),
        pytest.param("+5 0 * JAN Sun", "", "2025-01-01T00:00:00Z", "2025-01-05T00:05:00Z", id="a sign, names in any case"),
        pytest.param(", * * * *", "", "2025-01-01T00:00:00Z", None, id="an empty list is no minute"),
        pytest.param("30 1 * * *", "America/New_York", "2012-11-04T04:00:00Z", "2012-11-04T05:30:00Z", id="an hour that comes twice"),
        pytest.param("30 1 * * *", "America/New_York", "2012-11-04T05:30:00Z", "2012-11-04T06:30:00Z", id="the second time"),
        pytest.param("*/30 * * * *", "America/New_York", "2012-11-04T05:30:00Z", "2012-11-04T06:00:00Z", id="the second hour in order"),
        pytest.param("0 0 31 * *", "", "2025-02-01T00:00:00Z", "2025-03-31T00:00:00Z", id="months without that day"),
        pytest.param("0 0 13 * fri", "", "2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z", id="either day is enough"),
        pytest.param("0 0 ? * 0", "", "2025-01-01T00:00:00Z", "2025-01-05T00:00:00Z", id="question mark"),
        pytest.param("0 0 29 2 *", "", "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z", id="leap day"),
        pytest.param("0 0 30 2 *", "", "2025-01-01T00:00:00Z", None, id="never"),
        pytest.param("@hourly", "", "2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z", id="descriptor"),
        pytest.param("@every 90s", "", "2025-01-01T00:00:00Z", "2025-01-01T00:01:30Z", id="every"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00Z", "2025-03-31T00:30:00Z", id="an hour that is skipped"),
        pytest.param("0 9 * * *", "Asia/Tokyo", "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z", id="time zone"),
    ],
)
def test_the_next_time(text: str, zone: str, after: str, expected: str | None) -> None:
    found = cron.parse(text, zone).after(time.parse(after))
    assert (found and time.text(found)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("jan * * * *", 'failed to parse int from jan: strconv.Atoi: parsing "jan": invalid syntax'),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("*/x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("*/-2 * * * *", "negative number (-2) not allowed: -2"),
        ("-5 * * * *", 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("١ * * * *", 'failed to parse int from ١: strconv.Atoi: parsing "١": invalid syntax'),
        ("1_0 * * * *", 'failed to parse int from 1_0: strconv.Atoi: parsing "1_0": invalid syntax'),
        (
            "9999999999999999999 * * * *",
            'failed to parse int from 9999999999999999999: strconv.Atoi: parsing "9999999999999999999": value out of range',
        ),
        ("@often", "unrecognized descriptor: @often"),
        ("@Hourly", "unrecognized descriptor: @Hourly"),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
    ],
)
def test_what_is_no_schedule_is_told_in_the_words_of_the_library(text: str, expected: str) -> None:
    with pytest.raises(cron.ScheduleError) as raised:
        cron.parse(text)
    assert str(raised.value) == expected
