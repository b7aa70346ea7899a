"""What components ask in process, and that nobody of them is refused.

`RECORD_DECISIONS=folder pytest ...` writes what was asked, from which tests/unit/controllers/decisions.txt is made:
`sort -u folder/* > tests/unit/controllers/decisions.txt`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.apiserver.auth.decisions import Decisions
from pilothouse.client.call import Call
from pilothouse.machinery.errors import StatusError

CONTROLLER = "system:serviceaccount:kube-system:"
COMPONENTS = (CONTROLLER, "system:kube-", "system:node:", "pilothouse:")


@pytest.fixture(autouse=True)
def no_component_is_refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test in which a controller, the scheduler or a kubelet is refused what it asks."""
    refused: list[str] = []
    asked: set[str] = set()
    original = Decisions.check

    def checked(self: Decisions, call: Call) -> None:
        name = self._user.name
        try:
            original(self, call)
        except StatusError as error:
            if name.startswith(COMPONENTS):
                refused.append(str(error))
            raise
        if name.startswith((CONTROLLER, "system:kube-controller-manager")):
            resource = "/".join(filter(None, (call.resource.plural, call.subresource)))
            asked.add(f"{name.rpartition(':')[2]} {call.verb} {call.resource.group or 'core'} {resource}")

    monkeypatch.setattr(Decisions, "check", checked)
    yield
    assert not refused
    if folder := os.environ.get("RECORD_DECISIONS"):
        with (Path(folder) / str(os.getpid())).open("a") as file:
            file.writelines(f"{line}\n" for line in sorted(asked))
