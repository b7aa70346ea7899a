"""Token files: read as Go's encoding/csv reads them, with upstream's complaints."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.apiserver.auth.credentials import Authenticated
from pilothouse.apiserver.auth.tokenfile import TokenFile, records_of
from pilothouse.apiserver.auth.user import User


async def test_users_of_a_token_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('secret,jane,1,"developers,testers"\r\n\nother, joe,2\n,nobody,3\nother,jim,4,\n')
    tokens = TokenFile(file)
    known = await tokens.authenticate_token("secret", ("api",))
    assert known == Authenticated(User("jane", "1", ("developers", "testers")), ("api",))
    known = await tokens.authenticate_token("other", ())
    assert known == Authenticated(User("jim", "4", ("",)), ()), "of equal tokens the last counts, and an empty column is a group"
    assert await tokens.authenticate_token("", ()) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\n", "token file 'FILE' must have at least 3 columns (token, user name, user uid), found 2"),
        ("a\n", "token file 'FILE' must have at least 3 columns (token, user name, user uid), found 1"),
        ("\na,b\n", "token file 'FILE' must have at least 3 columns (token, user name, user uid), found 2"),
        ("# x\na,b,c\n", "token file 'FILE' must have at least 3 columns (token, user name, user uid), found 1"),
        ('a,"b\n', 'parse error on line 1, column 6: extraneous or missing " in quoted-field'),
        ('a,b"c,d\n', 'parse error on line 1, column 4: bare " in non-quoted-field'),
        ('a,"b"c,d\n', 'parse error on line 1, column 5: extraneous or missing " in quoted-field'),
        ('a, "b" ,c\n', 'parse error on line 1, column 4: bare " in non-quoted-field'),
        (None, "open FILE: no such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_as_upstream_does(tmp_path: Path, text: str | None, problem: str) -> None:
    file = tmp_path / "tokens.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        TokenFile(file)
    assert str(caught.value).replace(str(file), "FILE") == problem


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ('"a""b",c\n', [['a"b', "c"]]),
        ('"a\nb",c\nd\n', [["a\nb", "c"], ["d"]]),
        ('"",b', [["", "b"]]),
        ("a,\n", [["a", ""]]),
        ('a,"b"\n', [["a", "b"]]),
        ("a,b", [["a", "b"]]),
    ],
)
def test_records(text: str, records: list[list[str]]) -> None:
    assert list(records_of(text)) == records
