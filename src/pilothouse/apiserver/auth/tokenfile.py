"""Bearer tokens out of a file: lines of token, user, uid and, in quotes, groups between commas (kube-apiserver's --token-auth-file).

Read as Go's encoding/csv reads it, without comments, and blanks belong to what they stand in.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.apiserver.auth.credentials import Authenticated
from pilothouse.apiserver.auth.user import User

log = logging.getLogger(__name__)

BARE, QUOTE = 'bare " in non-quoted-field', 'extraneous or missing " in quoted-field'
LEAST_COLUMNS = 3


class TokenFile:
    """Read once, when it is made. ValueError in upstream's words for a file that cannot be read."""

    def __init__(self, path: str | Path) -> None:
        try:
            text = Path(path).read_bytes().decode(errors="surrogateescape")
        except OSError as error:
            raise ValueError(f"open {path}: {(error.strerror or str(error)).lower()}") from error
        self._users = users_in(text, str(path))

    async def authenticate_token(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """The user of a token of the file, for all `audiences`; None for any other. As long for each token."""
        user = None
        for known, its_user in self._users.items():
            if hmac.compare_digest(known.encode(errors="surrogateescape"), token.encode(errors="surrogateescape")):
                user = its_user
        return None if user is None else Authenticated(user, tuple(audiences))


def users_in(text: str, path: str) -> dict[str, User]:
    """The users by their tokens: of equal tokens the last counts. ValueError for a record of too few columns, or a wrong quote."""
    users: dict[str, User] = {}
    for number, columns in enumerate(records_of(text), 1):
        if len(columns) < LEAST_COLUMNS:
            least = f"must have at least {LEAST_COLUMNS} columns (token, user name, user uid)"
            raise ValueError(f"token file '{path}' {least}, found {len(columns)}")
        if not columns[0]:
            log.warning("empty token has been found in token file", extra={"file": path, "record": number})
            continue
        if columns[0] in users:
            log.warning("duplicate token has been found in token file", extra={"file": path, "record": number})
        groups = tuple(columns[3].split(",")) if len(columns) > LEAST_COLUMNS else ()
        users[columns[0]] = User(columns[1], columns[2], groups)
    return users


def records_of(text: str) -> Iterator[list[str]]:
    """The records of a CSV as encoding/csv reads them; empty lines are none. ValueError for a quote where none may be."""
    reader = _Reader([*_lines(text)])
    while reader.number < len(reader.lines):
        line = reader.lines[reader.number]
        reader.number += 1
        if line.rstrip("\n"):
            yield reader.record(line)


def _lines(text: str) -> Iterator[str]:
    """Lines with their ends, which are one sign."""
    rest = text
    while rest:
        line, end, rest = rest.partition("\n")
        yield line.removesuffix("\r") + end


@dataclass(slots=True)
class _Reader:
    """Reads one record after the other; `number` is that of the line read last, from 1."""

    lines: list[str]
    number: int = 0

    def record(self, line: str) -> list[str]:
        """The fields of the record that begins with `line`."""
        fields: list[str] = []
        column, start = 1, self.number
        while True:
            if not line.startswith('"'):
                field, comma, rest = line.partition(",")
                if '"' in field:
                    raise self._wrong(start, column + len(field[: field.index('"')].encode()), BARE)
                fields.append(field.rstrip("\n"))
                if not comma:
                    return fields
                column, line = column + len(field.encode()) + 1, rest
                continue
            field, column, line = self._quoted(line[1:], column + 1, start)
            fields.append(field)
            if not line.startswith(","):
                return fields
            column, line = column + 1, line[1:]

    def _quoted(self, line: str, column: int, start: int) -> tuple[str, int, str]:
        """A field after its first quote, the column after it, and the rest of the line."""
        field = ""
        while True:
            before, quote, rest = line.partition('"')
            field += before
            column += len(before.encode())
            if not quote:
                if self.number == len(self.lines):
                    raise self._wrong(start, column, QUOTE)
                line, column = self.lines[self.number], 1
                self.number += 1
            elif rest.startswith('"'):
                field, column, line = f'{field}"', column + 2, rest[1:]
            elif rest.rstrip("\n") and not rest.startswith(","):
                raise self._wrong(start, column, QUOTE)
            else:
                return field, column + 1, rest

    def _wrong(self, start: int, column: int, problem: str) -> ValueError:
        begin = f"record on line {start}; " if start != self.number else ""
        return ValueError(f"{begin}parse error on line {self.number}, column {column}: {problem}")
