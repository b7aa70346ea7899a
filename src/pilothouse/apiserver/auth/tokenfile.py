"""Bearer tokens out of a file: lines of token, user, uid and, in quotes, groups between commas (kube-apiserver's --token-auth-file)."""

from __future__ import annotations

import csv
import hmac
from collections.abc import Iterator, Sequence
from pathlib import Path

from pilothouse.apiserver.auth.credentials import Authenticated
from pilothouse.apiserver.auth.user import User


class TokenFile:
    """Read once, when it is made. ValueError for a line with too few columns."""

    def __init__(self, path: str | Path) -> None:
        self._users = dict(_read(Path(path)))

    async def authenticate_token(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """The user of a token of the file, for all `audiences`; None for any other. As long for each token."""
        user = next((user for known, user in self._users.items() if hmac.compare_digest(known.encode(), token.encode())), None)
        return None if user is None else Authenticated(user, tuple(audiences))


def _read(path: Path) -> Iterator[tuple[str, User]]:
    with path.open(newline="") as lines:
        for number, columns in enumerate(csv.reader(lines, skipinitialspace=True), 1):
            if not any(columns) or columns[0].startswith("#"):
                continue
            if len(columns) < 3:
                raise ValueError(f"{path}: line {number} has {len(columns)} columns: token, user name and user uid are the least")
            groups = tuple(group for group in columns[3].split(",") if group) if len(columns) > 3 else ()
            yield columns[0], User(columns[1], columns[2], groups)
