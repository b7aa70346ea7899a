"""Every manifest that we show is right by our own rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.api.objects import wrong_with

FOLDER = Path(__file__).resolve().parents[3] / "examples"
DOCUMENTS = [
    pytest.param(document, id=f"{path.stem}-{document['kind']}-{document['metadata']['name']}")
    for path in sorted(FOLDER.rglob("*.yaml"))
    if "chart" not in path.parts  # templates are no manifests yet
    for document in yaml.safe_load_all(path.read_text())
    if document
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_examples_are_right(document: dict[str, Any]) -> None:
    document["metadata"].setdefault("namespace", "default")
    if document["kind"] == "Pod":  # as the admission plugin ServiceAccount does before the rules are asked
        document["spec"].setdefault("serviceAccountName", "default")
    assert wrong_with(document) == []
