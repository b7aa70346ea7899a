"""Rules that remember what they found right."""

from __future__ import annotations

from pilothouse.api.core.validation import remembered
from pilothouse.api.core.validation.remembered import SharedRule, remembering
from pilothouse.machinery.problems import Problems


class Counting:
    """A rule against the number 13, that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.rule = remembering(self._judge)

    def _judge(self, value: list[int], problems: Problems) -> None:
        self.asked += 1
        for index, one in enumerate(value):
            if one == 13:
                problems.at(index).invalid(one, "brings bad luck")


def test_what_is_right_is_judged_once() -> None:
    counting = Counting()
    for _ in range(3):
        counting.rule([1, 2], Problems())
    assert counting.asked == 1


def test_what_is_wrong_is_told_each_time_at_its_own_path() -> None:
    counting = Counting()
    found = []
    for path in ("one", "two"):
        problems = Problems(path)
        counting.rule([13], problems)
        found.append(str(problems.found[0]))
    assert found == ["one[0]: Invalid value: 13: brings bad luck", "two[0]: Invalid value: 13: brings bad luck"]


def test_earlier_problems_of_others_do_not_keep_it_from_remembering() -> None:
    counting = Counting()
    problems = Problems()
    problems.at("other").required()
    counting.rule([1], problems)
    counting.rule([1], Problems())
    assert counting.asked == 1


def test_memory_is_bounded() -> None:
    counting = Counting()
    for number in range(20, 20 + 2 * remembered.REMEMBERED):
        counting.rule([number], Problems())
    counting.rule([20], Problems())
    assert counting.asked == 2 * remembered.REMEMBERED + 1


def test_a_shared_rule_gives_equal_right_values_one_instance_and_judges_each_once() -> None:
    judged: list[list[str]] = []
    rule = SharedRule[list[str]](lambda value, problems: judged.append(value))
    first, second, other = ["a"], ["a"], ["b"]
    assert rule.judge(first, Problems()) is first
    assert rule.judge(second, Problems()) is first
    assert rule.judge(other, Problems()) is other
    assert judged == [first, other]
    assert rule.key(other) == rule.key(["b"]) == b'["b"]'


def test_a_shared_rule_tells_of_what_is_wrong_each_time_and_keeps_it_apart() -> None:
    rule = SharedRule[list[str]](lambda value, problems: problems.invalid(value, "no"))
    first, second = ["a"], ["a"]
    for value in (first, second):
        problems = Problems()
        assert rule.judge(value, problems) is value
        assert len(problems.found) == 1
