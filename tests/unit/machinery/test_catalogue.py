"""The catalogue of kinds as a value."""

from __future__ import annotations

import pytest

from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.unstructured import unstructured_resource


def widget(version: str = "v1", plural: str = "widgets") -> Resource[object]:
    return unstructured_resource("example.com", version, "Widget", plural)


def test_a_resource_is_found_by_its_names_until_it_is_removed() -> None:
    catalogue, first, second = Catalogue(), widget(), widget("v2")
    catalogue.add(first)
    catalogue.add(second)
    assert catalogue.by_plural("example.com", "v2", "widgets") is second
    assert catalogue.by_kind("example.com", "v1", "Widget") is first
    assert catalogue.of(first.type) is first
    catalogue.remove(first)
    assert catalogue.by_plural("example.com", "v1", "widgets") is None
    assert catalogue.resources() == (second,)
    with pytest.raises(LookupError):
        catalogue.of(first.type)


@pytest.mark.parametrize("taken", [pytest.param("widgets", id="the name"), pytest.param("others", id="the kind")])
def test_what_is_taken_is_refused(taken: str) -> None:
    catalogue = Catalogue([widget()])
    with pytest.raises(ValueError, match="is served already"):
        catalogue.add(widget(plural=taken))
    assert len(catalogue.resources()) == 1


def test_subscribers_are_told_in_order_until_they_end_it() -> None:
    catalogue, told, resource = Catalogue(), list[tuple[str, Resource[object]]](), widget()
    end = catalogue.subscribe(lambda what, changed: told.append((what, changed)))
    before = catalogue.revision
    catalogue.add(resource)
    catalogue.remove(resource)
    end()
    catalogue.add(resource)
    assert told == [("ADDED", resource), ("DELETED", resource)]
    assert catalogue.revision == before + 3
