"""Results are remembered for short texts, and computed anew for long ones."""

from __future__ import annotations

from pilothouse.kit.remember import remember


def test_only_short_texts_are_remembered() -> None:
    calls = []

    @remember(8, longest=4)
    def length(text: str) -> int:
        calls.append(text)
        return len(text)

    assert [length("abcd"), length("abcd"), length("abcde"), length("abcde")] == [4, 4, 5, 5]
    assert calls == ["abcd", "abcde", "abcde"]
