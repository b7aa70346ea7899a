from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.apiserver.auth.credentials import Authenticated
from pilothouse.apiserver.auth.tokenfile import TokenFile
from pilothouse.apiserver.auth.user import User


async def test_users_of_a_token_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('# of the tests\n\nsecret,jane,1,"developers,testers"\nother, joe, 2\n')
    tokens = TokenFile(file)
    known = await tokens.authenticate_token("secret", ("api",))
    assert known == Authenticated(User("jane", "1", ("developers", "testers")), ("api",))
    known = await tokens.authenticate_token("other", ())
    assert known == Authenticated(User("joe", "2"), ())
    assert await tokens.authenticate_token("", ()) is None


def test_a_line_with_too_few_columns_is_told(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text("secret,jane\n")
    with pytest.raises(ValueError, match="line 1 has 2 columns"):
        TokenFile(file)
